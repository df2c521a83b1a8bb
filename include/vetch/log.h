/* The library's log, with levels and a hook; see vetch_log(3). */
#ifndef VETCH_LOG_H
#define VETCH_LOG_H

#include <vetch/types.h>

typedef enum vetch_log_level {
    VETCH_LOG_DEBUG,
    VETCH_LOG_INFO,
    VETCH_LOG_WARNING,
    VETCH_LOG_ERROR,
    VETCH_LOG_NONE /* as a threshold: nothing is logged */
} vetch_log_level;

/* Gets one finished line, without newline, borrowed. It may run on every
 * thread that logs, one at a time. */
typedef void (*vetch_log_fn)(vetch_log_level level, const char *line,
                             void *ctx);

VETCH_BEGIN_DECLS

/* Log one line (printf style; control characters become spaces).
 * Thread: any. Never fails; a line longer than 2 KiB is cut. */
VETCH_EXPORT void vetch_log(vetch_log_level level, const char *fmt, ...)
    VETCH_PRINTF(2, 3);

/* Log only what is at least `level`. Default VETCH_LOG_WARNING; with
 * VETCH_DEBUG=1 in the environment, VETCH_LOG_DEBUG. Thread: any. */
VETCH_EXPORT void vetch_log_set_level(vetch_log_level level);
VETCH_EXPORT vetch_log_level vetch_log_get_level(void);

/* Send lines to `fn` instead of standard error; NULL restores the default.
 * Ownership: borrows `ctx` until replaced. Thread: any. */
VETCH_EXPORT void vetch_log_set_hook(vetch_log_fn fn, void *ctx);

VETCH_END_DECLS

#endif
