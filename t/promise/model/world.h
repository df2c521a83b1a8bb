/* The world in which the randomised test of promises lives: what it has begun,
 * what it holds, and what it knows of values and contexts. The test is in
 * test_promise_model.c, the model in promise_model.h. */
#ifndef T_PROMISE_WORLD_H
#define T_PROMISE_WORLD_H

#include "promise/model/model.h"

enum {
    MAX_CHAINS = 3000,
    MAX_VALUES = 6000,
    PW_RINGS = 64,
    PW_RING_LAYERS = 8,
    SLOTS = 2,
    ROOM = 2,    /* in the queue */
    TICKS = 512, /* per second: exact in a double and in nanoseconds */
    CTX_ALIVE = 0x600dc0de,
    CTX_POISON = 0x0badc0de
};

struct value {
    enum { UNUSED, ALIVE, FREED, RETURNED } state;
    bool offered;
    bool over; /* the offer is: it was got, or it came back */
    bool seen; /* somebody got it */
    bool put;  /* it is in the queue, or was taken out of it */
};

/* A promise that has to be consumed, and its node. */
struct cursor {
    vetch_promise *p;
    struct model_node *n;
};

/* Who waits, in order; those that are done have left. */
struct waiting_line {
    struct model_node *nodes[MODEL_NODES];
    size_t first, n;
};

struct world {
    uint64_t random;
    struct model_chain chains[MAX_CHAINS];
    struct value values[MAX_VALUES];
    struct model_node *ops[MODEL_NODES];  /* whose deferred we have */
    struct model_node *held[MODEL_NODES]; /* whose promise we have */
    size_t n_chains, n_values, n_ops, n_held;
    struct model_node *tasks[MODEL_NODES];
    struct model_node *scopes[MODEL_NODES];
    size_t n_tasks, n_scopes;
    vetch_semaphore *semaphore;
    struct waiting_line acquirers;
    vetch_queue *queue;
    struct waiting_line getters, putters;
    void *items[MAX_VALUES]; /* that were put into it */
    size_t n_items;
    bool closing; /* the queue, with what is in it */
    vetch_event *event;
    struct waiting_line sleepers; /* of the event */
    uint64_t now;                 /* in ticks */
    unsigned depth;
    int reported[MODEL_NODES]; /* the codes of unobserved rejections */
    size_t n_reported;
    bool over; /* the reactor has ended */
};
extern struct world world;

/* ---- chance ---- */

unsigned pw_below(unsigned n);
bool pw_chance(unsigned percent);
/* The graph is as large as it may become. */
bool pw_is_full(void);

/* ---- values, errors, chains ---- */

struct value *pw_value_new(void);
void pw_value_free(void *value);
bool pw_is_ours(const void *value);
/* Somebody gets it. */
void pw_seen(const void *value);
/* Settle `d` with a value; perhaps it is offered. */
bool pw_resolve(vetch_deferred *d, struct value *v);
void pw_check_alive(const void *value);
int pw_random_code(void);
vetch_error *pw_error_of(int code);

struct model_chain *pw_chain_new(struct model_chain *parent);
void pw_check_ctx(const struct model_chain *chain);
/* What a chain started for itself alone has ended with it. */
void pw_check_stopped(const struct model_chain *chain);

/* ---- promises that are held, and operations ---- */

/* Keep the promise of `c`. A pinned one is kept to the end. */
void pw_hold(struct cursor c, bool pin);
void pw_release(size_t i);
struct model_node *pw_random_held(void);

struct cursor pw_new_op(bool loose);
void pw_settle_random_op(void);

/* ---- the graph ---- */

/* Links below c, and a finally; part of what `parent` waits for. */
struct cursor pw_random_chain(struct cursor c, bool loose,
                              struct model_chain *parent);

/* For the rest of the graph. */
struct cursor pw_new_ready(bool loose);
/* A promise that is held, unless `for_whom` would wait for itself; p is NULL if
 * there is none. */
struct cursor pw_another(const struct model_node *for_whom);
void pw_do_something_inside(void);

/* ---- what stands in line: promise_lines.c ---- */

/* The item is in the queue, unless it was taken out already. */
void pw_note_put(struct value *item);
void pw_join(struct waiting_line *line, struct model_node *n);
/* The first who still waits, or NULL. */
struct model_node *pw_first(struct waiting_line *line);
size_t pw_waiting(struct waiting_line *line);

void pw_lines_begin(void);
void pw_lines_end(void);
void pw_check_lines(void);
struct cursor pw_new_acquire(void);
struct cursor pw_new_put(void);
struct cursor pw_new_get(bool loose);
struct cursor pw_new_event_wait(void);
/* The event changes, or the queue is closed and another takes its place. */
void pw_turn_event(void);
void pw_close_queue(void);

/* ---- tasks and scopes: promise_tasks.c ---- */

struct cursor pw_new_task(bool loose);
vetch_promise *pw_scope_of(struct model_node *g, vetch_promise *const *promises,
                           size_t n);
/* One more child for a scope that takes one. */
void pw_add_to_scope(void);
void pw_release_scopes(void);

/* ---- circular waits: cycles.c ---- */

void pw_start_ring(void);
/* Close one, or cancel it. */
void pw_touch_ring(void);
void pw_close_rings(void);
/* All have ended; let go of them. */
void pw_check_rings(void);

/* From now to a tick. */
double pw_seconds_until(uint64_t tick);

/* What the test does at random, and its handlers as well. */
void pw_start_something(void);
void pw_branch_off(void);
void pw_cancel_something(void);
void pw_release_something(void);
void pw_hold_something(void);

#endif
