/* Finding out what a program waits for; see vetch_debugging(7) and
 * vetch_debug(3). Thread: reactor. */
#ifndef VETCH_DEBUG_H
#define VETCH_DEBUG_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* Remember, while debugging is on, where a promise was attached: `site` is a
 * static string, "file.c:12". Returns `p`, which it borrows. The calls of
 * promise.h, combinators.h and task.h do this by themselves, through macros,
 * unless VETCH_NO_SITES is defined before the first include. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_promise_at(vetch_promise *p,
                                                             const char *site);

/* Name a promise for the dump and for reports, printf style; only while
 * debugging is on, else it does nothing. Returns `p`, which it borrows. */
VETCH_EXPORT vetch_promise *vetch_promise_name(vetch_promise *p,
                                               const char *fmt, ...)
    VETCH_PRINTF(2, 3);

/* Write what lives on a reactor to the descriptor `fd`: a tree of all pending
 * promises, each operation with its name, and below it what waits for it; then
 * connections, listeners and the like; timers; jobs. Sites and names are there
 * for promises made while debugging was on.
 * Errors: -1 and errno: ENOMEM; that of write(2). */
VETCH_EXPORT int vetch_reactor_dump(vetch_reactor *r, int fd);

/* Write that dump to standard error at each delivery of `signum`, SIGUSR2 say,
 * until the reactor ends. Errors: -1 and errno: EBUSY, EINVAL, ENOMEM. */
VETCH_EXPORT int vetch_reactor_dump_on_signal(vetch_reactor *r, int signum);

VETCH_END_DECLS

#ifndef VETCH_NO_SITES
#define VETCH_SITE_TEXT(line) #line
#define VETCH_SITE_LINE(line) VETCH_SITE_TEXT(line)
#define VETCH_SITE            __FILE__ ":" VETCH_SITE_LINE(__LINE__)
#define VETCH_SITED(promise)  vetch_promise_at(promise, VETCH_SITE)

#define vetch_then(...)     VETCH_SITED(vetch_then(__VA_ARGS__))
#define vetch_catch(...)    VETCH_SITED(vetch_catch(__VA_ARGS__))
#define vetch_handle(...)   VETCH_SITED(vetch_handle(__VA_ARGS__))
#define vetch_finally(...)  VETCH_SITED(vetch_finally(__VA_ARGS__))
#define vetch_shield(...)   VETCH_SITED(vetch_shield(__VA_ARGS__))
#define vetch_rejected(...) VETCH_SITED(vetch_rejected(__VA_ARGS__))
#define vetch_deferred_promise(...)                                            \
    VETCH_SITED(vetch_deferred_promise(__VA_ARGS__))
#define vetch_all(...)         VETCH_SITED(vetch_all(__VA_ARGS__))
#define vetch_all_settled(...) VETCH_SITED(vetch_all_settled(__VA_ARGS__))
#define vetch_race(...)        VETCH_SITED(vetch_race(__VA_ARGS__))
#define vetch_any(...)         VETCH_SITED(vetch_any(__VA_ARGS__))
#define vetch_map(...)         VETCH_SITED(vetch_map(__VA_ARGS__))
#define vetch_repeat(...)      VETCH_SITED(vetch_repeat(__VA_ARGS__))
#define vetch_timeout(...)     VETCH_SITED(vetch_timeout(__VA_ARGS__))
#define vetch_deadline(...)    VETCH_SITED(vetch_deadline(__VA_ARGS__))
#define vetch_retry(...)       VETCH_SITED(vetch_retry(__VA_ARGS__))
#define vetch_wait(...)        VETCH_SITED(vetch_wait(__VA_ARGS__))
#define vetch_spawn(...)       VETCH_SITED(vetch_spawn(__VA_ARGS__))
#endif

#endif
