/* The log. One mutex makes lines of several threads come out one at a time;
 * a hook that logs itself would wait for itself, so what it logs goes to
 * standard error instead. */

#include <vetch/log.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check-private.h"
#include "base/text-private.h"

#define LEVEL_UNKNOWN (-1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vetch_log_fn hook;
static void *hook_ctx;
static atomic_int threshold = LEVEL_UNKNOWN;
static __thread bool in_hook;

static int
log_default_level(void)
{
    const char *debug = getenv("VETCH_DEBUG");

    if (debug != NULL && strcmp(debug, "1") == 0)
        return VETCH_LOG_DEBUG;
    return VETCH_LOG_WARNING;
}

vetch_log_level
vetch_log_get_level(void)
{
    int level = atomic_load_explicit(&threshold, memory_order_relaxed);

    if (level == LEVEL_UNKNOWN) {
        int unknown = LEVEL_UNKNOWN;

        /* Does not undo what another thread has set meanwhile. */
        atomic_compare_exchange_strong(&threshold, &unknown,
                                       log_default_level());
        level = atomic_load(&threshold);
    }
    return (vetch_log_level)level;
}

void
vetch_log_set_level(vetch_log_level level)
{
    VETCH_CHECK(level >= VETCH_LOG_DEBUG && level <= VETCH_LOG_NONE, EINVAL, );
    atomic_store(&threshold, level);
}

void
vetch_log_set_hook(vetch_log_fn fn, void *ctx)
{
    if (!in_hook) /* else this thread holds the lock */
        pthread_mutex_lock(&lock);
    hook = fn;
    hook_ctx = ctx;
    if (!in_hook)
        pthread_mutex_unlock(&lock);
}

static void
log_write_line(vetch_log_level level, const char *line, size_t len)
{
    static const char *const names[] = { "debug: ", "info: ", "warning: ",
                                         "error: " };
    struct iovec parts[] = {
        { (void *)"vetch: ", 7 },
        { (void *)names[level], strlen(names[level]) },
        { (void *)line, len },
        { (void *)"\n", 1 },
    };

    /* One call, so that lines of several processes do not mix. There is
     * nobody to tell if it fails. */
    if (writev(STDERR_FILENO, parts, 4) < 0)
        return;
}

static void
log_pass_on(vetch_log_level level, const char *line, size_t len)
{
    if (in_hook) {
        log_write_line(level, line, len);
        return;
    }
    pthread_mutex_lock(&lock);
    if (hook == NULL) {
        log_write_line(level, line, len);
    } else {
        in_hook = true;
        hook(level, line, hook_ctx);
        in_hook = false;
    }
    pthread_mutex_unlock(&lock);
}

void
vetch_log(vetch_log_level level, const char *fmt, ...)
{
    char line[VETCH__TEXT_MAX + 1];
    va_list args;
    size_t len;
    int saved = errno;

    if ((int)level < 0 || level >= VETCH_LOG_NONE ||
        level < vetch_log_get_level())
        return;
    va_start(args, fmt);
    len = vetch__text_format(line, fmt, args);
    va_end(args);
    log_pass_on(level, line, len);
    errno = saved;
}

void
vetch__misuse(const char *function, const char *expression)
{
    vetch_log(VETCH_LOG_ERROR, "%s: wrong use, not true: %s", function,
              expression);
    VETCH__ABORT_IN_DEBUG_BUILD();
}
