/* What the tests of the promise layer share: a reactor on the virtual clock
 * around each test, values that know how often they were freed, operations
 * that a test settles by hand, handlers with a prepared answer, and a trace of
 * what ran in which order. */

#ifndef T_PROMISE_KIT_H
#define T_PROMISE_KIT_H

#include "support/harness.h"

/* As vt_reactor_tcase(); a test fails as well if a rejection was reported that
 * the test did not ask for with pk_reports(). */
TCase *pk_tcase(const char *name);
/* End the reactor of the running test early. */
void pk_end_reactor(void);

/* ---- the trace ---- */

/* Add a word to the trace. As a vetch_call_fn: `word` is the ctx. */
void pk_note(void *word);
/* Run what is ready and compare all notes since the last call, joined by
 * blanks. */
#define pk_expect_trace(expected)                                              \
    do {                                                                       \
        vt_run_ready();                                                        \
        ck_assert_str_eq(pk_trace(), expected);                                \
        pk_trace_clear();                                                      \
    } while (0)
const char *pk_trace(void);
void pk_trace_clear(void);

/* ---- unobserved rejections ---- */

/* How many were reported since the last call, and the last one's code. */
unsigned pk_reports(void);
int pk_report_code(void);

/* ---- values ---- */

struct pk_thing {
    int number;
    unsigned freed;
};

/* The free function of a thing: counts, so that twice is seen as well. */
void pk_free(void *thing);
/* A fulfilled promise of a thing; a rejected one. */
vetch_promise *pk_value(struct pk_thing *thing);
vetch_promise *pk_error(int code);

#define pk_assert_alive(thing) ck_assert_uint_eq((thing)->freed, 0)
#define pk_assert_freed(thing) ck_assert_uint_eq((thing)->freed, 1)

/* ---- operations ---- */

enum pk_cancel {
    PK_AGREE, /* the canceller rejects with VETCH_ECANCELED */
    PK_NOTE,  /* the canceller only counts: the test settles later */
    PK_VALUE, /* the canceller fulfils all the same, with `late` */
    PK_ERROR, /* the canceller rejects with VETCH_EUSER + 9 */
    PK_NONE   /* there is no canceller */
};

struct pk_op {
    enum pk_cancel on_cancel;
    unsigned canceled; /* how often the canceller was called */
    struct pk_thing late;
    vetch_deferred *deferred;
};

/* Start an operation; the promise is a new reference. */
vetch_promise *pk_start(struct pk_op *op);
/* Settle it and let go of the producer's end. */
void pk_resolve(struct pk_op *op, struct pk_thing *thing);
void pk_resolve_number(struct pk_op *op, intptr_t number);
void pk_reject(struct pk_op *op, int code);
/* As an operation does that has stopped after a request. */
void pk_stop(struct pk_op *op);
/* Let go of the producer's end without settling (or after it has settled). */
void pk_drop(struct pk_op *op);

/* Three operations and their promises, for a combinator. */
struct pk_three {
    struct pk_op op[3];
    vetch_promise *promise[3];
};
void pk_start_three(struct pk_three *three, enum pk_cancel on_cancel);

/* ---- handlers ---- */

/* What a link was asked to answer, and what it saw. */
struct pk_link {
    const char *word;      /* noted when it runs, unless NULL */
    vetch_promise *answer; /* consumed by the first run */
    bool same;             /* answer vetch_same() */
    unsigned ran;
    void *value; /* the last one it was given */
    int code;    /* of the last error it was given */
};

vetch_promise *pk_on_value(void *value, void *link);
vetch_promise *pk_on_error(const vetch_error *error, void *link);
/* Counts and notes, for finally. */
void pk_on_end(void *link);

/* Note the word and pass the outcome on. */
vetch_promise *pk_pass_value(void *value, void *word);
vetch_promise *pk_pass_error(const vetch_error *error, void *word);
/* A handler that must not run. */
vetch_promise *pk_never_value(void *value, void *ctx);
vetch_promise *pk_never_error(const vetch_error *error, void *ctx);

/* The end of a chain with vetch_callback(). */
struct pk_done {
    const char *word;
    unsigned ran;
    void *result;
    int code;
};
void pk_on_done(const vetch_error *error, void *result, void *done);

/* ---- outcomes ---- */

#define pk_assert_pending(p)                                                   \
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING)
#define pk_assert_value(p, v)                                                  \
    do {                                                                       \
        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);             \
        ck_assert_ptr_eq(vetch_promise_value(p), (void *)(intptr_t)(v));       \
    } while (0)
#define pk_assert_error(p, c)                                                  \
    do {                                                                       \
        ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);              \
        ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), c);         \
    } while (0)

/* Run what is ready, compare, and release the promise. */
#define pk_expect_value(p, v)                                                  \
    do {                                                                       \
        vetch_promise *pk_p = (p);                                             \
                                                                               \
        vt_run_ready();                                                        \
        pk_assert_value(pk_p, v);                                              \
        vetch_promise_unref(pk_p);                                             \
    } while (0)
#define pk_expect_error(p, c)                                                  \
    do {                                                                       \
        vetch_promise *pk_p = (p);                                             \
                                                                               \
        vt_run_ready();                                                        \
        pk_assert_error(pk_p, c);                                              \
        vetch_promise_unref(pk_p);                                             \
    } while (0)
#define pk_expect_pending(p)                                                   \
    do {                                                                       \
        vt_run_ready();                                                        \
        pk_assert_pending(p);                                                  \
    } while (0)

/* A number as a value, a literal as a ctx. */
#define pk_int(n)  ((void *)(intptr_t)(n))
#define pk_word(w) ((void *)(uintptr_t)(w))

#endif
