/* What the tests of the promise layer share; see the header. */

#include "support/promise_kit.h"

#include <stdio.h>
#include <string.h>

static char trace[4096];
static unsigned reports;
static int report_code;

static void
count_report(const vetch_error *error, void *ctx)
{
    (void)ctx;
    reports++;
    report_code = vetch_error_code(error);
}

static void
set_up(void)
{
    vetch_reactor_set_rejection_hook(vt_reactor, count_report, NULL);
    reports = 0;
    pk_trace_clear();
}

static void
tear_down(void)
{
    if (vt_reactor != NULL)
        vt_run_ready();
    ck_assert_msg(reports == 0, "%u rejections were reported, the last is %s",
                  reports, vetch_error_name(report_code));
}

TCase *
pk_tcase(const char *name)
{
    TCase *tc = vt_reactor_tcase(name);

    tcase_add_checked_fixture(tc, set_up, tear_down);
    return tc;
}

void
pk_end_reactor(void)
{
    vetch_reactor *ended = vt_reactor;

    vt_reactor = NULL;
    vetch_reactor_unref(ended);
}

void
pk_note(void *word)
{
    size_t used = strlen(trace);

    snprintf(trace + used, sizeof(trace) - used, "%s%s", used > 0 ? " " : "",
             (const char *)word);
}

const char *
pk_trace(void)
{
    return trace;
}

void
pk_trace_clear(void)
{
    trace[0] = '\0';
}

unsigned
pk_reports(void)
{
    unsigned n;

    if (vt_reactor != NULL)
        vt_run_ready();
    n = reports;
    reports = 0;
    return n;
}

int
pk_report_code(void)
{
    return report_code;
}

void
pk_free(void *thing)
{
    ((struct pk_thing *)thing)->freed++;
}

vetch_promise *
pk_value(struct pk_thing *thing)
{
    return vetch_resolved(thing, pk_free);
}

vetch_promise *
pk_error(int code)
{
    return vetch_rejected(vetch_error_new(code, "error %d", code));
}

static void
op_cancel(vetch_deferred *d, void *ctx)
{
    struct pk_op *op = ctx;

    ck_assert_ptr_eq(d, op->deferred);
    ck_assert(vetch_deferred_is_canceled(d));
    op->canceled++;
    switch (op->on_cancel) {
    case PK_AGREE:
        pk_stop(op);
        break;
    case PK_VALUE:
        pk_resolve(op, &op->late);
        break;
    case PK_ERROR:
        pk_reject(op, VETCH_EUSER + 9);
        break;
    case PK_NOTE:
    case PK_NONE:
        break;
    }
}

vetch_promise *
pk_start(struct pk_op *op)
{
    op->deferred =
        vetch_deferred_new(op->on_cancel == PK_NONE ? NULL : op_cancel, op);
    ck_assert_ptr_nonnull(op->deferred);
    return vetch_deferred_promise(op->deferred);
}

void
pk_resolve(struct pk_op *op, struct pk_thing *thing)
{
    ck_assert(vetch_deferred_resolve(op->deferred, thing, pk_free));
    pk_drop(op);
}

void
pk_resolve_number(struct pk_op *op, intptr_t number)
{
    ck_assert(vetch_deferred_resolve(op->deferred, (void *)number, NULL));
    pk_drop(op);
}

void
pk_reject(struct pk_op *op, int code)
{
    vetch_error *error = vetch_error_new(code, "error %d", code);

    ck_assert(vetch_deferred_reject(op->deferred, error));
    pk_drop(op);
}

void
pk_stop(struct pk_op *op)
{
    pk_reject(op, VETCH_ECANCELED);
}

void
pk_drop(struct pk_op *op)
{
    op->deferred = vetch_deferred_unref(op->deferred);
}

static vetch_promise *
answer(struct pk_link *link)
{
    vetch_promise *p = link->answer;

    link->ran++;
    if (link->word != NULL)
        pk_note(pk_word(link->word));
    if (link->same)
        return vetch_same();
    link->answer = NULL;
    return p;
}

void
pk_start_three(struct pk_three *three, enum pk_cancel on_cancel)
{
    for (int i = 0; i < 3; i++) {
        three->op[i] = (struct pk_op){ .on_cancel = on_cancel };
        three->promise[i] = pk_start(&three->op[i]);
    }
}

vetch_promise *
pk_on_value(void *value, void *link)
{
    ((struct pk_link *)link)->value = value;
    return answer(link);
}

vetch_promise *
pk_on_error(const vetch_error *error, void *link)
{
    ck_assert_ptr_nonnull(error);
    ((struct pk_link *)link)->code = vetch_error_code(error);
    return answer(link);
}

void
pk_on_end(void *ctx)
{
    struct pk_link *link = ctx;

    link->ran++;
    if (link->word != NULL)
        pk_note(pk_word(link->word));
}

vetch_promise *
pk_pass_value(void *value, void *word)
{
    (void)value;
    pk_note(word);
    return vetch_same();
}

vetch_promise *
pk_pass_error(const vetch_error *error, void *word)
{
    (void)error;
    pk_note(word);
    return vetch_same();
}

vetch_promise *
pk_never_value(void *value, void *ctx)
{
    (void)value;
    ck_abort_msg("a handler ran that must not: %s",
                 ctx == NULL ? "on_value" : (const char *)ctx);
    return NULL;
}

vetch_promise *
pk_never_error(const vetch_error *error, void *ctx)
{
    ck_abort_msg("a handler ran that must not: %s (%s)",
                 ctx == NULL ? "on_error" : (const char *)ctx,
                 vetch_error_text(error));
    return NULL;
}

void
pk_on_done(const vetch_error *error, void *result, void *ctx)
{
    struct pk_done *done = ctx;

    done->ran++;
    done->result = result;
    done->code = vetch_error_code(error);
    if (done->word != NULL)
        pk_note(pk_word(done->word));
}
