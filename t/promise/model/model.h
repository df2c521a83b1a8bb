/* A simple model of promises, for the randomised test.
 *
 * The model runs in step with the library: the test tells it what it does
 * before it does it, and what the library calls as it calls it. It knows how
 * every chain must end and in which order handlers run. It does not know how
 * many turns of the ready queue the library takes for what nobody can see (a
 * link without handler, an adoption, the inside of a combinator): what these
 * end with is computed when it is needed.
 *
 * Children of a combinator may be cancelled in the middle of a turn, when
 * another child decides. What they do then cannot be foretold, only judged;
 * nodes of theirs are called loose.
 *
 * In a rough run the test acts while some of what is ready has been dispatched
 * and the rest has not. Then nothing can be foretold, and every node is loose:
 * what is left to check is that everything ends, once, in its order, and that
 * no value, item or slot is lost or doubled. */
#ifndef T_PROMISE_MODEL_H
#define T_PROMISE_MODEL_H

#include "support/harness.h"

/* As ck_assert_msg(); but that writes down every place which it comes by, which
 * would take most of the time. The message tells how to repeat the epoch. */
#define MODEL_CHECK(condition, ...)                                            \
    do {                                                                       \
        if (!(condition))                                                      \
            model_fail(__FILE__, __LINE__, __VA_ARGS__);                       \
    } while (0)
void model_fail(const char *file, int line, const char *fmt, ...)
    VETCH_PRINTF(3, 4) __attribute__((noreturn));

enum model_kind {
    M_OP,      /* settled by the test, by a deferred */
    M_READY,   /* vetch_resolved(), vetch_rejected() */
    M_SLEEP,   /* settled by the clock */
    M_ACQUIRE, /* of the semaphore */
    M_PUT,     /* into the queue… */
    M_GET,     /* …and out of it */
    M_EVENT,   /* waits for it */
    M_TASK,
    M_LINK, /* then, catch, handle */
    M_FINALLY,
    M_SHIELD,
    M_END, /* vetch_callback() */
    M_ALL,
    M_ALL_SETTLED,
    M_RACE,
    M_ANY,
    M_SCOPE,
    M_TIMEOUT
};

enum model_policy { P_AGREE, P_LATER, P_VALUE, P_ERROR, P_NO_CANCELLER };
enum { N_POLICIES = P_NO_CANCELLER + 1 };

struct model_outcome {
    vetch_state state;
    void *value;
    int code;
};

/* A chain of links that ends with a finally. */
struct model_chain {
    unsigned *ctx;              /* from malloc(); poisoned by the finally */
    struct model_chain *parent; /* which waits for this one */
    bool exclusive;             /* nobody else holds a promise of it */
    unsigned ended;
};

enum { MAX_CHILDREN = 6 };

struct model_node {
    enum model_kind kind;
    bool loose;
    struct model_chain *chain;

    /* Who refers to it: the test (then `promise` is valid), and links. */
    vetch_promise *promise;
    unsigned held;
    bool pinned; /* the test does not let go before the end */
    unsigned n_consumers;
    bool ever_consumed, observed, was_child;
    struct model_node *first_waiter, *last_waiter, *next_waiter;

    /* What it waits for. */
    struct model_node *source;
    struct model_node *adopts; /* the answer of its handler */
    struct model_node *children[MAX_CHILDREN];
    bool child_left[MAX_CHILDREN];
    unsigned n_children;
    bool decided; /* as seen at the last check */

    /* Where it stands. */
    bool canceled;
    bool left;  /* gave up its source: it gets VETCH_ECANCELED */
    bool begun; /* its handler was called… */
    bool running;
    bool done;
    bool timed;   /* …and it is known when this took place */
    uint64_t seq; /* its place on the ready queue, if known */
    struct model_outcome outcome;

    /* Of a link. */
    bool on_value, on_error, is_catch, holds_slot;

    /* Of an operation. */
    vetch_deferred *deferred;
    enum model_policy policy;
    bool expect_asked, asked;
    bool shielded;
    void *uses;    /* the value that the handler which began it borrows */
    uint64_t born; /* before which drain */

    /* Of a task: its current await is its only child. */
    bool awaiting;
    bool told; /* a cancel was delivered to the current await */

    /* Of a put. */
    void *item;

    /* Of a scope. */
    vetch_scope *scope;

    /* Of a sleep and of a timeout. */
    uint64_t deadline;
    bool expired;
};

enum { MODEL_NODES = 6000, EPOCH_STEPS = 250 };

/* The whole of it. */
struct model {
    uint64_t seed;
    struct model_node nodes[MODEL_NODES];
    size_t n_nodes;
    uint64_t seq, last_seq;
    uint64_t n_drains;
    bool draining; /* handlers may run */
    bool ending;   /* the reactor ends: all is loose */
    bool rough;
};
extern struct model model;

void model_begin(uint64_t seed, bool rough);

struct model_node *model_new(enum model_kind kind, bool loose);
/* `link` waits for `source`; it can be called from now on. */
void model_attach(struct model_node *link, struct model_node *source);
void model_add_child(struct model_node *group, struct model_node *child);

struct model_outcome model_fulfilled(void *value);
struct model_outcome model_rejected(int code);
bool model_same(struct model_outcome a, struct model_outcome b);
bool model_is(struct model_outcome o, int code);

/* The node settles now. */
void model_settle(struct model_node *n, struct model_outcome o);
/* How it has ended or is about to; VETCH_PENDING if that is open. */
struct model_outcome model_resolve(struct model_node *n);
/* The same at the end of a link's handler. */
void model_answer(struct model_node *n, struct model_outcome o);
void model_answer_with(struct model_node *n, struct model_node *answer);

/* Check that this handler is due now, with this outcome, and begin it. */
void model_call(struct model_node *n, struct model_outcome given);
/* A finally is not told; this returns what it passes on. */
struct model_outcome model_call_finally(struct model_node *n);
/* A task begins, waits for a child, and goes on with what that ended with. It
 * ends as a handler does, with an answer. */
void model_task_begin(struct model_node *task);
void model_task_await(struct model_node *task, struct model_node *child);
void model_task_resume(struct model_node *task, struct model_outcome given);

/* What a combinator, a timeout or an acquire ended with, as the link below it
 * was told: check that it is possible. */
void model_observe(struct model_node *n, struct model_outcome given);

/* Somebody asks for a cancel. */
void model_cancel(struct model_node *n);
/* The same from a timeout, for its child. */
void model_cancel_child(struct model_node *group, unsigned i);
/* Whether a request made while handlers run can be foretold. */
bool model_stable(struct model_node *n);
/* Whether `n` waits for `other`, by whatever way. */
bool model_depends(const struct model_node *n, const struct model_node *other);

/* Nothing is ready any more: check that nothing was forgotten. */
void model_check_quiet(void);
/* Once all is released: check what was reported, by code. It is what nobody
 * observed, and the errors of losers that a combinator could not pass on. */
void model_check_reports(int *codes, size_t n);

#endif
