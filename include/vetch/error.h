/* Errors: immutable, reference-counted, with a cause; see vetch_error(3). */
#ifndef VETCH_ERROR_H
#define VETCH_ERROR_H

#include <errno.h>
#include <stdarg.h>

#include <vetch/types.h>

/* System errors keep their errno value as code; where errno has the meaning
 * the name below is that number. A user's own codes start at VETCH_EUSER. */
enum {
    VETCH_ENOMEM = ENOMEM,
    VETCH_ECANCELED = ECANCELED,

    VETCH_ETIMEDOUT = 10000, /* our timer, not the kernel's ETIMEDOUT */
    VETCH_EABANDONED,        /* a deferred was released unsettled */
    VETCH_ECLOSED,           /* the object or its reactor has ended */
    VETCH_ECYCLE,            /* a promise was to wait for itself */
    VETCH_EMISUSE,           /* the call is not allowed here */
    VETCH_EAGGREGATE,        /* several errors; see vetch_error_suppressed() */

    VETCH_ERESOLVE = 10100, /* name resolution failed */
    VETCH_ENOTFOUND,        /* the name does not exist */

    VETCH_EENDPOINT = 10200, /* malformed endpoint string */
    VETCH_EEOF,              /* the peer ended the connection early */
    VETCH_EPROXY,            /* missing or malformed PROXY header */

    VETCH_ECONNECT = 10250, /* no connection: not a byte was sent */

    VETCH_EURL = 10300, /* malformed or unsupported URL */
    VETCH_EPROTO_HTTP,  /* the peer's HTTP is malformed */
    VETCH_ETOOLARGE,    /* a limit on size was crossed */
    VETCH_ETRUNCATED,   /* the message ended before its announced length */
    VETCH_ECODING,      /* coded content is malformed or a bomb */

    VETCH_ETLS = 10400, /* handshake or record layer; the cause says what */
    VETCH_ECERTIFICATE, /* expired, for another name, of an unknown authority */

    VETCH_EHTTP = 11000, /* + status, for code that turns a status into one */
    VETCH_EUSER = 100000
};

VETCH_BEGIN_DECLS

/* Make an error. Control characters in the message become spaces, so that an
 * error always prints as one line.
 *
 * Ownership: returns a new reference.
 * Errors:    never NULL; out of memory gives an immortal VETCH_ENOMEM error.
 * Thread:    any; an error is handed over between threads, never shared. */
VETCH_EXPORT VETCH_NODISCARD vetch_error *vetch_error_new(int code,
                                                          const char *fmt, ...)
    VETCH_PRINTF(2, 3) VETCH_NEVER_NULL;
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_error_newv(int code, const char *fmt, va_list args)
    VETCH_PRINTF(2, 0) VETCH_NEVER_NULL;

/* Make an error of a system error: code `errnum`, message "<fmt>: <strerror>".
 * Same contract as vetch_error_new(). */
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_error_from_errno(int errnum, const char *fmt, ...)
    VETCH_PRINTF(2, 3) VETCH_NEVER_NULL;

/* Add a line of context to `cause`; the code stays the cause's.
 *
 * Ownership: borrows `cause` (takes a reference of its own); returns a new
 *            reference. Same errors and threads as vetch_error_new(). */
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_error_wrap(const vetch_error *cause, const char *fmt, ...)
    VETCH_PRINTF(2, 3) VETCH_NEVER_NULL;

/* As vetch_error_wrap(), but with another code. */
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_error_wrap_code(const vetch_error *cause, int code, const char *fmt, ...)
    VETCH_PRINTF(3, 4) VETCH_NEVER_NULL;

/* Make an error that carries others beside its cause: what happened as well.
 * `primary` gives code and text (NULL: VETCH_EAGGREGATE and a summary).
 *
 * Ownership: borrows all; returns a new reference. */
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_error_aggregate(const vetch_error *primary,
                      const vetch_error *const *others, size_t n);

/* Take or release a reference; NULL is accepted. `_ref` returns its argument
 * without const, `_unref` returns NULL. */
VETCH_EXPORT vetch_error *vetch_error_ref(const vetch_error *e);
VETCH_EXPORT vetch_error *vetch_error_unref(vetch_error *e);

/* The code of the outermost line; 0 for NULL. */
VETCH_EXPORT int vetch_error_code(const vetch_error *e);
/* The outermost line alone, without its causes. Borrowed. */
VETCH_EXPORT const char *vetch_error_message(const vetch_error *e);
/* The whole chain of causes as one line. Borrowed; "no error" for NULL. */
VETCH_EXPORT const char *vetch_error_text(const vetch_error *e);
/* The next error of the chain, borrowed, or NULL. */
VETCH_EXPORT const vetch_error *vetch_error_cause(const vetch_error *e);
/* True if `code` stands anywhere in the chain of causes. */
VETCH_EXPORT bool vetch_error_is(const vetch_error *e, int code);
/* The i-th error that happened as well, borrowed; NULL past the last. */
VETCH_EXPORT const vetch_error *vetch_error_suppressed(const vetch_error *e,
                                                       size_t i);
/* The name of a code: "VETCH_ECANCELED", "ECONNREFUSED", "HTTP 404", … or
 * NULL if it has none. A static string, or one per thread for HTTP. */
VETCH_EXPORT const char *vetch_error_name(int code);

VETCH_END_DECLS

#endif
