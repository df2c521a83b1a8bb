/* Listeners; see vetch_listener(3). Thread: reactor. */
#ifndef VETCH_LISTENER_H
#define VETCH_LISTENER_H

#include <vetch/transport.h>

/* Makes the protocol of a new connection; NULL refuses (closes) it. */
typedef vetch_protocol *(*vetch_protocol_fn)(void *ctx);
/* Something the listener survived: EMFILE, ENOBUFS, VETCH_EPROXY, a failed
 * handshake, … `error` is borrowed. */
typedef void (*vetch_listener_error_fn)(vetch_listener *l,
                                        const vetch_error *error, void *ctx);

/* Called with one connection; see vetch_listener_each(). Both are borrowed. */
typedef void (*vetch_connection_fn)(vetch_transport *t, vetch_protocol *p,
                                    void *ctx);

typedef struct vetch_listener_options {
    size_t size;            /* set by VETCH_LISTENER_OPTIONS_INIT */
    size_t max_connections; /* at once; VETCH_NO_LIMIT: any number */
    size_t max_per_address; /* of them for each address; VETCH_NO_LIMIT: what
                               the endpoint says, or any number */
    unsigned accept_budget; /* connections to accept in one turn of the loop */
    unsigned unix_mode;     /* permissions of a Unix socket's file, whatever the
                               umask and the endpoint say; 0: by these */
    vetch_tls *tls;         /* connections are handed over after its handshake;
                               NULL: as the endpoint says. It is kept */
} vetch_listener_options;
#define VETCH_LISTENER_OPTIONS_INIT                                            \
    {                                                                          \
        .size = sizeof(vetch_listener_options), .max_connections = 10000,      \
        .max_per_address = VETCH_NO_LIMIT, .accept_budget = 64,                \
        .unix_mode = 0, .tls = NULL,                                           \
    }

VETCH_BEGIN_DECLS

/* Listen at an endpoint: `tcp:HOST:PORT` (port 0: the kernel's choice),
 * `unix:PATH`, `fd:N` and so on, with options; see vetch_endpoint(7). NULL
 * options: the defaults.
 *
 * Ownership: returns a new reference; the reactor keeps one until it is
 *            stopped. Borrows `ctx` until stopped; `_owned` takes it, and gives
 *            it to `free_ctx` after that.
 * Errors:    NULL and errno: EINVAL, malformed endpoint (ask
 *            vetch_endpoint_check()); EADDRINUSE, EACCES, …; EPROTONOSUPPORT;
 *            ENOMEM; EPERM, no reactor; ECANCELED, the reactor is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_listener *
vetch_listener_new(const char *endpoint, vetch_protocol_fn make, void *ctx,
                   const vetch_listener_options *options);
VETCH_EXPORT VETCH_NODISCARD vetch_listener *
vetch_listener_new_owned(const char *endpoint, vetch_protocol_fn make,
                         void *ctx, vetch_free_fn free_ctx,
                         const vetch_listener_options *options);

/* Where it listens, with the port that the kernel gave: usable for
 * vetch_connect(). Borrowed. */
VETCH_EXPORT const char *vetch_listener_endpoint(const vetch_listener *l);
/* The TCP port, 0 for other kinds. */
VETCH_EXPORT unsigned vetch_listener_port(const vetch_listener *l);

/* At most `limit` connections at once; above it accepting waits until one ends
 * (0: until the limit is changed). VETCH_NO_LIMIT: any number. */
VETCH_EXPORT void vetch_listener_set_limit(vetch_listener *l, size_t limit);
/* Accept nothing until resumed: new connections wait in the kernel, up to the
 * endpoint's backlog. Those that are there go on. */
VETCH_EXPORT void vetch_listener_pause(vetch_listener *l);
VETCH_EXPORT void vetch_listener_resume(vetch_listener *l);
VETCH_EXPORT size_t vetch_listener_connections(const vetch_listener *l);
/* Call `fn` with each connection that is open: not with those that were closed
 * or aborted, or are over. Whatever `fn` does to connections is safe; those
 * that come meanwhile may or may not be among them. Borrows `ctx`. */
VETCH_EXPORT void vetch_listener_each(vetch_listener *l, vetch_connection_fn fn,
                                      void *ctx);

/* Whether it does not keep vetch_reactor_run_until_idle() going; its
 * connections do, all the same. */
VETCH_EXPORT void vetch_listener_set_background(vetch_listener *l, bool on);

/* The function that hears of errors while accepting (default: one log line at
 * most each second). Accepting resumes by itself. Borrows `ctx`. */
VETCH_EXPORT void vetch_listener_set_error_fn(vetch_listener *l,
                                              vetch_listener_error_fn fn,
                                              void *ctx);

/* The scope of what runs for the listener as a whole, borrowed; made on first
 * use. It keeps errors apart: one is told to the listener's error function, or
 * logged, and ends nothing else. When the listener was stopped and its last
 * connection is gone, the scope is cancelled, and the stop waits until it is
 * empty.
 * Errors: NULL and errno: ENOMEM; ECANCELED, the listener has ended. */
VETCH_EXPORT vetch_scope *vetch_listener_scope(vetch_listener *l);

/* Stop accepting at once, let connections end, abort the rest after `seconds`
 * (0: now; INFINITY: never). Fulfils with a vetch_stop_report when everything
 * has ended; operations in scopes that do not end when they are cancelled are
 * named in the log every 10 s.
 *
 * Every call has a promise of its own, and the earliest deadline counts.
 * Cancelling a promise while others wait ends that waiting only; when the last
 * one is cancelled, what is left is aborted at once, and the promise waits for
 * the end of that. Cancelled after the deadline, or once more, it rejects at
 * once. Errors: EINVAL, negative or NaN; VETCH_ECLOSED, the reactor ended. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_listener_stop(vetch_listener *l, double seconds);

/* What a stop has come to. Of connections, and of an HTTP server's requests,
 * that ended after the stop was asked for: */
/* … how many ended in good order, */
VETCH_EXPORT size_t vetch_stop_report_ended(const vetch_stop_report *r);
/* … how many operations in the scopes of connections, and handlers, were
 * cancelled, */
VETCH_EXPORT size_t vetch_stop_report_canceled(const vetch_stop_report *r);
/* … and how many connections were aborted, by the deadline or because they
 * failed, before all was sent and done. */
VETCH_EXPORT size_t vetch_stop_report_cut(const vetch_stop_report *r);
VETCH_EXPORT vetch_stop_report *vetch_stop_report_ref(vetch_stop_report *r);
VETCH_EXPORT vetch_stop_report *vetch_stop_report_unref(vetch_stop_report *r);

VETCH_EXPORT vetch_listener *vetch_listener_ref(vetch_listener *l);
VETCH_EXPORT vetch_listener *vetch_listener_unref(vetch_listener *l);

VETCH_END_DECLS

#endif
