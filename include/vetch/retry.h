/* Trying again; see vetch_retry(3). Thread: reactor. */
#ifndef VETCH_RETRY_H
#define VETCH_RETRY_H

#include <math.h>

#include <vetch/combinators.h>

/* Whether another attempt makes sense after `error`, which is borrowed. */
typedef bool (*vetch_retry_fn)(const vetch_error *error, void *ctx);

typedef struct vetch_retry_options {
    size_t size;          /* set by VETCH_RETRY_OPTIONS_INIT */
    size_t attempts;      /* at most; or VETCH_NO_LIMIT. Default 5 */
    double first_seconds; /* the pause before the second. Default 0.1 */
    double factor;        /* from one pause to the next. Default 2 */
    double max_seconds;   /* the longest pause. Default 10 */
    double jitter;        /* 0.2, the default: ± 20 % of each pause */
    double reset_seconds; /* an attempt that lasted so long starts all anew.
                             Default 60 */
    double total_seconds; /* the deadline of all together. Default INFINITY */
    vetch_retry_fn again; /* gets `ctx`; NULL, the default: after any error */
} vetch_retry_options;
#define VETCH_RETRY_OPTIONS_INIT                                               \
    {                                                                          \
        .size = sizeof(vetch_retry_options), .attempts = 5,                    \
        .first_seconds = 0.1, .factor = 2.0, .max_seconds = 10.0,              \
        .jitter = 0.2, .reset_seconds = 60.0, .total_seconds = INFINITY,       \
        .again = NULL                                                          \
    }

VETCH_BEGIN_DECLS

/* Call `fn` until its promise fulfils, with a pause after each failure; NULL
 * options are the defaults. Rejects with the last error, which carries up to
 * eight earlier ones as suppressed; with VETCH_ETIMEDOUT, caused by the last
 * error, when the time of all is up. A cancel ends it, and so does an attempt
 * that ends with VETCH_ECANCELED. `fn` runs from the ready queue and may return
 * what a handler may.
 *
 * Ownership: borrows `ctx` until settled, `options` during the call.
 * Errors:    also rejects with EINVAL, no such options; VETCH_ENOMEM;
 *            VETCH_ECLOSED, the reactor is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_retry(vetch_start_fn fn, void *ctx, const vetch_retry_options *options);

VETCH_END_DECLS

#endif
