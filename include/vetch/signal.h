/* Signals as promises; see vetch_signal(3). Thread: reactor. */
#ifndef VETCH_SIGNAL_H
#define VETCH_SIGNAL_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* The next delivery of a signal to the process; deliveries between two calls
 * are kept (1,000 of them), and one that nobody got is delivered again. From
 * the first call on, and until it ends, the reactor owns the signals of the
 * process: for another one this rejects with EBUSY. It takes a signal that was
 * ignored, too; where that matters, as for SIGHUP under nohup(1), look before.
 * The value is (intptr_t)signum.
 *
 * Errors: rejects with EBUSY; EINVAL, no such signal, or one that cannot be
 *         caught; VETCH_ENOMEM; VETCH_ECLOSED, the reactor is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_signal(int signum);

VETCH_END_DECLS

#endif
