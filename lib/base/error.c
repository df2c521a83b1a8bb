/* Errors.
 *
 * An error is one block with its message at the end, plus a vector of the
 * errors that happened as well. The line with all causes is made when it is
 * first asked for, and kept. Errors that exist before they are needed (out of
 * memory) are immortal: their count is never touched, so that threads can share
 * them. Releasing walks a list, never the stack: a chain of causes may be as
 * long as a chain of promises. */

#include <vetch/error.h>

#include <stdio.h>
#include <string.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"
#include "base/object-private.h"
#include "base/text-private.h"

struct vetch_error {
    struct vetch__object object;
    int code;
    vetch_error *cause;
    vetch_error **suppressed;
    size_t n_suppressed;
    union {
        char *text;        /* all causes in one line; NULL until asked for */
        vetch_error *next; /* among those being freed */
    } u;
    size_t len;
    char message[];
};

#define IMMORTAL(name, number, words)                                          \
    struct vetch_error vetch__error_##name = {                                 \
        .object = { .type = VETCH__ERROR, .refs = VETCH__IMMORTAL },           \
        .code = number,                                                        \
        .len = sizeof(words) - 1,                                              \
        .message = words                                                       \
    }

IMMORTAL(no_memory, VETCH_ENOMEM, "out of memory");
IMMORTAL(canceled, VETCH_ECANCELED, "cancelled");
IMMORTAL(closed, VETCH_ECLOSED, "the reactor has ended");
IMMORTAL(misuse, VETCH_EMISUSE, "this call is not allowed here");
IMMORTAL(shared, VETCH_EMISUSE,
         "a value that others hold too cannot be handed over");

static vetch_error *
error_make(int code, const char *message, size_t len, const vetch_error *cause)
{
    vetch_error *e = vetch__malloc(sizeof(*e) + len + 1);

    if (e == NULL)
        return &vetch__error_no_memory;
    *e = (struct vetch_error){
        .object = { .type = VETCH__ERROR, .refs = 1 },
        .code = code,
        .cause = vetch_error_ref(cause),
        .len = len,
    };
    memcpy(e->message, message, len);
    e->message[len] = '\0';
    return e;
}

static vetch_error *error_make_formatted(int code, const vetch_error *cause,
                                         const char *fmt, va_list args)
    VETCH_PRINTF(3, 0);

static vetch_error *
error_make_formatted(int code, const vetch_error *cause, const char *fmt,
                     va_list args)
{
    char message[VETCH__TEXT_MAX + 1];
    size_t len = vetch__text_format(message, fmt, args);

    return error_make(code, message, len, cause);
}

vetch_error *
vetch_error_newv(int code, const char *fmt, va_list args)
{
    return error_make_formatted(code, NULL, fmt, args);
}

vetch_error *
vetch_error_new(int code, const char *fmt, ...)
{
    va_list args;
    vetch_error *e;

    va_start(args, fmt);
    e = error_make_formatted(code, NULL, fmt, args);
    va_end(args);
    return e;
}

vetch_error *
vetch_error_wrap(const vetch_error *cause, const char *fmt, ...)
{
    va_list args;
    vetch_error *e;

    if (cause == NULL)
        cause = &vetch__error_no_memory; /* what NULL means to all that take an
                                            error */
    va_start(args, fmt);
    e = error_make_formatted(cause->code, cause, fmt, args);
    va_end(args);
    return e;
}

vetch_error *
vetch_error_wrap_code(const vetch_error *cause, int code, const char *fmt, ...)
{
    va_list args;
    vetch_error *e;

    va_start(args, fmt);
    e = error_make_formatted(code, cause, fmt, args);
    va_end(args);
    return e;
}

/* The system's words begin with a capital, which reads badly inside a line. */
static const char *
system_words(int errnum, char *to, size_t size)
{
#ifdef STRERROR_R_CHAR_P
    const char *words = strerror_r(errnum, to, size);

    if (words != to)
        snprintf(to, size, "%s", words);
#else
    if (strerror_r(errnum, to, size) != 0)
        snprintf(to, size, "error %d", errnum);
#endif
    if (to[0] >= 'A' && to[0] <= 'Z' && to[1] >= 'a' && to[1] <= 'z')
        to[0] = (char)(to[0] - 'A' + 'a');
    return to;
}

vetch_error *
vetch_error_from_errno(int errnum, const char *fmt, ...)
{
    char message[VETCH__TEXT_MAX + 1 + 160];
    char words[128];
    va_list args;
    size_t len;
    int n;

    va_start(args, fmt);
    len = vetch__text_format(message, fmt, args);
    va_end(args);
    n = snprintf(message + len, sizeof(message) - len, "%s%s",
                 len > 0 ? ": " : "", system_words(errnum, words, 128));
    return error_make(errnum, message, len + (size_t)n, NULL);
}

static vetch_error *
error_make_summary(const vetch_error *primary, const vetch_error *const *others,
                   size_t n)
{
    char words[VETCH__TEXT_MAX];
    int len;

    if (primary != NULL)
        return error_make(primary->code, primary->message, primary->len,
                          primary->cause);
    len = snprintf(words, sizeof(words), "%zu errors%s%.1024s", n,
                   n > 0 ? ", the first: " : "",
                   n > 0 ? vetch_error_text(others[0]) : "");
    return error_make(VETCH_EAGGREGATE, words, (size_t)len, NULL);
}

vetch_error *
vetch_error_aggregate(const vetch_error *primary,
                      const vetch_error *const *others, size_t n)
{
    size_t i, kept = primary != NULL ? primary->n_suppressed : 0;
    vetch_error *e = error_make_summary(primary, others, n);

    if (e == &vetch__error_no_memory || kept + n == 0)
        return e;
    e->suppressed = vetch__calloc(kept + n, sizeof(*e->suppressed));
    if (e->suppressed == NULL)
        return e; /* the error itself is worth more than what came with it */
    for (i = 0; i < kept; i++)
        e->suppressed[i] = vetch_error_ref(primary->suppressed[i]);
    for (i = 0; i < n; i++)
        e->suppressed[kept + i] = vetch_error_ref(others[i]);
    e->n_suppressed = kept + n;
    return e;
}

vetch_error *
vetch_error_ref(const vetch_error *e)
{
    vetch_error *mine = (vetch_error *)e;

    if (mine != NULL && mine->object.refs != VETCH__IMMORTAL)
        mine->object.refs++;
    return mine;
}

/* Drop a reference; if it was the last one put the error on the list. */
static void
error_drop(vetch_error *e, vetch_error **dead)
{
    if (e == NULL || e->object.refs == VETCH__IMMORTAL || --e->object.refs > 0)
        return;
    vetch__free(e->u.text);
    e->u.next = *dead;
    *dead = e;
}

vetch_error *
vetch_error_unref(vetch_error *e)
{
    vetch_error *dead = NULL;
    size_t i;

    error_drop(e, &dead);
    while (dead != NULL) {
        e = dead;
        dead = e->u.next;
        error_drop(e->cause, &dead);
        for (i = 0; i < e->n_suppressed; i++)
            error_drop(e->suppressed[i], &dead);
        vetch__free(e->suppressed);
        vetch__free(e);
    }
    return NULL;
}

int
vetch_error_code(const vetch_error *e)
{
    return e != NULL ? e->code : 0;
}

const char *
vetch_error_message(const vetch_error *e)
{
    return e != NULL ? e->message : "no error";
}

static char *
join_causes(const vetch_error *first)
{
    const vetch_error *e;
    size_t size = 0;
    char *text, *to;

    for (e = first; e != NULL; e = e->cause)
        size += e->len + 2;
    text = to = vetch__malloc(size + 1);
    if (text == NULL)
        return NULL;
    for (e = first; e != NULL; e = e->cause) {
        if (e != first) {
            *to++ = ':';
            *to++ = ' ';
        }
        memcpy(to, e->message, e->len);
        to += e->len;
    }
    *to = '\0';
    return text;
}

const char *
vetch_error_text(const vetch_error *e)
{
    vetch_error *mine = (vetch_error *)e; /* the line is kept in it */

    if (e == NULL || e->cause == NULL)
        return vetch_error_message(e);
    if (mine->u.text == NULL)
        mine->u.text = join_causes(e);
    return mine->u.text != NULL ? mine->u.text : e->message;
}

const vetch_error *
vetch_error_cause(const vetch_error *e)
{
    return e != NULL ? e->cause : NULL;
}

bool
vetch_error_is(const vetch_error *e, int code)
{
    for (; e != NULL; e = e->cause) {
        if (e->code == code)
            return true;
    }
    return false;
}

const vetch_error *
vetch_error_suppressed(const vetch_error *e, size_t i)
{
    return e != NULL && i < e->n_suppressed ? e->suppressed[i] : NULL;
}

static const char *
own_name(int code)
{
    switch (code) {
    case VETCH_ENOMEM:
        return "VETCH_ENOMEM";
    case VETCH_ECANCELED:
        return "VETCH_ECANCELED";
    case VETCH_ETIMEDOUT:
        return "VETCH_ETIMEDOUT";
    case VETCH_EABANDONED:
        return "VETCH_EABANDONED";
    case VETCH_ECLOSED:
        return "VETCH_ECLOSED";
    case VETCH_ECYCLE:
        return "VETCH_ECYCLE";
    case VETCH_EMISUSE:
        return "VETCH_EMISUSE";
    case VETCH_EAGGREGATE:
        return "VETCH_EAGGREGATE";
    case VETCH_ERESOLVE:
        return "VETCH_ERESOLVE";
    case VETCH_ENOTFOUND:
        return "VETCH_ENOTFOUND";
    case VETCH_EENDPOINT:
        return "VETCH_EENDPOINT";
    case VETCH_EEOF:
        return "VETCH_EEOF";
    case VETCH_EPROXY:
        return "VETCH_EPROXY";
    case VETCH_ECONNECT:
        return "VETCH_ECONNECT";
    case VETCH_EURL:
        return "VETCH_EURL";
    case VETCH_EPROTO_HTTP:
        return "VETCH_EPROTO_HTTP";
    case VETCH_ETOOLARGE:
        return "VETCH_ETOOLARGE";
    case VETCH_ETRUNCATED:
        return "VETCH_ETRUNCATED";
    case VETCH_ECODING:
        return "VETCH_ECODING";
    case VETCH_ETLS:
        return "VETCH_ETLS";
    case VETCH_ECERTIFICATE:
        return "VETCH_ECERTIFICATE";
    case VETCH_EHTTP:
        return "VETCH_EHTTP";
    case VETCH_EUSER:
        return "VETCH_EUSER";
    default:
        return NULL;
    }
}

static const char *
http_name(int code)
{
    static __thread char name[20];

    snprintf(name, sizeof(name), "HTTP %d", code - VETCH_EHTTP);
    return name;
}

const char *
vetch_error_name(int code)
{
    const char *name = own_name(code);

    if (name != NULL)
        return name;
    if (code >= VETCH_EHTTP + 100 && code <= VETCH_EHTTP + 999)
        return http_name(code);
#ifdef HAVE_STRERRORNAME_NP
    if (code > 0 && code < VETCH_ETIMEDOUT)
        return strerrorname_np(code);
#endif
    return NULL;
}
