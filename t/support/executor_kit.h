/* What the tests of the executor share: jobs, a gate that holds them where a
 * test wants them, and the outcomes of their promises. */
#ifndef T_EXECUTOR_KIT_H
#define T_EXECUTOR_KIT_H

#include <stdatomic.h>
#include <stdint.h>

#include "support/harness.h"

vetch_executor *ek_new(unsigned n_threads, size_t queue_limit);

/* ---- outcomes ---- */

struct ek_outcome {
    bool settled;
    void *value;
    int code;
    char text[256];
};

/* A vetch_done_fn; `ctx` is an outcome. */
void ek_done(const vetch_error *error, void *result, void *ctx);
void ek_run_until(const bool *flag);
/* Runs until the promise has settled. */
struct ek_outcome ek_outcome_of(vetch_promise *p);
int ek_code_of_all(vetch_promise *const *promises, size_t n);

/* ---- the gate: set_up and take_down of a case ---- */

void ek_close_gate(void);
void ek_open_gate(void);
/* A job that waits until the gate is open and returns its arg. */
void *ek_wait_at_gate(void *arg, vetch_error **ret_error);
/* Until n jobs wait there. */
void ek_await_at_gate(int n);

/* ---- jobs ---- */

/* Both are 0 when the gate is closed. */
extern atomic_int ek_n_begun, ek_n_result_freed;
/* A job that counts in ek_n_begun and returns the number after its arg. */
void *ek_add_one(void *arg, vetch_error **ret_error);
/* A vetch_free_fn that counts in ek_n_result_freed. */
void ek_count_result_freed(void *result);

#endif
