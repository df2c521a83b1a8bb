/* What the tests of the executor share; see the header. */

#include "support/executor_kit.h"

#include <pthread.h>
#include <stdio.h>

#include "reactor/reactor-private.h"

void
ek_done(const vetch_error *error, void *result, void *ctx)
{
    struct ek_outcome *o = ctx;

    o->settled = true;
    o->value = result;
    o->code = vetch_error_code(error);
    snprintf(o->text, sizeof(o->text), "%s", vetch_error_text(error));
}

void
ek_run_until(const bool *flag)
{
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, flag), 0);
}

struct ek_outcome
ek_outcome_of(vetch_promise *p)
{
    struct ek_outcome o = { 0 };

    vetch_callback(p, ek_done, &o);
    ek_run_until(&o.settled);
    return o;
}

int
ek_code_of_all(vetch_promise *const *promises, size_t n)
{
    struct ek_outcome o = ek_outcome_of(vetch_all(promises, n));

    vetch_results_unref(o.value);
    return o.code;
}

vetch_executor *
ek_new(unsigned n_threads, size_t queue_limit)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;
    vetch_executor *e;

    options.n_threads = n_threads;
    options.queue_limit = queue_limit;
    e = vetch_executor_new(&options);
    ck_assert_ptr_nonnull(e);
    return e;
}

/* ---- a gate, to hold jobs where a test wants them ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int n_at_gate;
atomic_int ek_n_begun, ek_n_result_freed;

void
ek_close_gate(void)
{
    gate_open = false;
    n_at_gate = 0;
    atomic_store(&ek_n_begun, 0);
    atomic_store(&ek_n_result_freed, 0);
}

void
ek_open_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = true;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

void *
ek_wait_at_gate(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    pthread_mutex_lock(&gate_lock);
    n_at_gate++;
    pthread_cond_broadcast(&gate_moved);
    while (!gate_open)
        pthread_cond_wait(&gate_moved, &gate_lock);
    n_at_gate--;
    pthread_mutex_unlock(&gate_lock);
    return arg;
}

void
ek_await_at_gate(int n)
{
    pthread_mutex_lock(&gate_lock);
    while (n_at_gate < n)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

/* ---- jobs ---- */

void *
ek_add_one(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    atomic_fetch_add(&ek_n_begun, 1);
    return (void *)((intptr_t)arg + 1);
}

void
ek_count_result_freed(void *result)
{
    (void)result;
    atomic_fetch_add(&ek_n_result_freed, 1);
}
