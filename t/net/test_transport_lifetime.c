/* What callbacks may do to their connections, and references to them: over TCP,
 * over a Unix socket and over the pair in memory (the loop variable of a test
 * is the kind). */

#include "support/transport_kit.h"

#include <errno.h>
#include <stdlib.h>

#include "net/transport-private.h"

#define KIND ((enum tk_kind)_i)

enum action {
    DO_ABORT,
    DO_CLOSE,
    DO_END,
    DO_UNREF,
    DO_PAUSE_AND_RESUME,
    DO_WRITE,
    DO_ALL,
    ACTIONS
};

static const char events[] = { TK_CONNECTED, TK_RECEIVED, TK_ENDED, TK_PAUSED,
                               TK_RESUMED,   TK_LOST,     TK_FREED };

struct plan {
    char event;
    enum action action;
    vetch_transport *held; /* a reference to be dropped */
    int done;
};

static void
carry_out(struct tk_probe *p, char event)
{
    struct plan *plan = p->arg;
    vetch_transport *t = plan->held;

    if (event != plan->event || plan->done++ > 0)
        return;
    if (plan->action == DO_END || plan->action == DO_ALL)
        (void)!vetch_transport_end(t);
    if (plan->action == DO_PAUSE_AND_RESUME || plan->action == DO_ALL) {
        vetch_transport_pause(t);
        vetch_transport_resume(t);
    }
    if (plan->action == DO_WRITE || plan->action == DO_ALL)
        (void)!vetch_transport_write(t, "from inside", 11);
    if (plan->action == DO_CLOSE || plan->action == DO_ALL)
        vetch_transport_close(t);
    if (plan->action == DO_ABORT || plan->action == DO_ALL)
        vetch_transport_abort(t);
    if (plan->action == DO_UNREF || plan->action == DO_ALL)
        plan->held = vetch_transport_unref(t);
}

/* Lead a connection through every event there is. */
static void
exercise(struct tk_probe ends[2], const char *data)
{
    if (ends[0].t != NULL) /* write_paused, unless the plan was at work */
        (void)!vetch_transport_write(ends[0].t, data, 400000);
    if (ends[1].t != NULL)
        (void)!vetch_transport_write(ends[1].t, data, 1000);
    vt_run_ready();
    if (ends[1].t != NULL)
        vetch_transport_resume(ends[1].t);
    while (!(tk_has(&ends[0], TK_RESUMED) || tk_has(&ends[0], TK_LOST) ||
             ends[0].t->out != VETCH__OUT_OPEN || ends[1].t == NULL))
        tk_turn();
    if (ends[1].t != NULL)
        vetch_transport_close(ends[1].t);
    if (ends[0].t != NULL && tk_has(&ends[0], TK_ENDED))
        vetch_transport_close(ends[0].t);
}

VT_CASE("lifetime", vt_reactor_tcase, .loops = TK_KINDS);

/* libuv #2172 #2544, libhv #496, libevent #997 #1289 #1808, curl #3537 #5354:
 * whatever a callback does to its own connection is fine, and the order of
 * events holds. */
VT_TEST(anything_may_be_done_in_any_callback)
{
    char *data = tk_pattern(400000);

    for (size_t e = 0; e < sizeof(events); e++) {
        for (int a = 0; a < ACTIONS; a++) {
            struct plan plan = { events[e], (enum action)a, NULL, 0 };
            vetch_transport *pair[2];
            struct tk_probe ends[2];

            tk_pair(KIND, pair);
            tk_init(&ends[0]);
            tk_init(&ends[1]);
            ends[0].act = carry_out;
            ends[0].arg = &plan;
            plan.held = vetch_transport_ref(pair[0]);
            vetch_transport_pause(pair[1]);
            for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(
                    vetch_transport_attach(pair[i], &ends[i].protocol), 0);
                vetch_transport_unref(pair[i]);
            }
            vt_run_ready();
            exercise(ends, data);
            vt_run_ready();
            if (ends[0].t != NULL)
                vetch_transport_close(ends[0].t);
            tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
            ck_assert_int_eq(ends[0].trace[0], TK_CONNECTED);
            ck_assert_str_eq(ends[0].trace + ends[0].n_trace - 2, "lf");
            plan.held = vetch_transport_unref(plan.held);
            tk_done(&ends[0]);
            tk_done(&ends[1]);
            ck_assert_uint_eq(vt_live_objects(), 0);
        }
    }
    free(data);
}

VT_TEST(closing_and_aborting_again_changes_nothing)
{
    struct tk_probe ends[2];
    vetch_transport *t;

    tk_connect(KIND, ends);
    t = vetch_transport_ref(ends[0].t);
    vetch_transport_close(t);
    vetch_transport_close(t);
    vetch_transport_abort(t);
    vetch_transport_abort(t);
    vetch_transport_close(t);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
    vetch_transport_close(t);
    vetch_transport_abort(t);
    vetch_transport_unref(t);
    tk_finish(ends);
}

VT_TEST(a_reference_outlives_the_connection)
{
    struct tk_probe ends[2];
    vetch_transport *t;

    tk_connect(KIND, ends);
    t = vetch_transport_ref(ends[0].t);
    vetch_transport_abort(t);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_int_eq(vetch_transport_write(t, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_end(t), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_attach(t, &ends[0].protocol), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    vetch_transport_pause(t);
    vetch_transport_resume(t);
    ck_assert_int_eq(vetch_transport_set_input_limit(t, 1), 0);
    ck_assert_uint_eq(vetch_transport_buffered(t), 0);
    ck_assert_ptr_nonnull(vetch_transport_peer(t));
    ck_assert_ptr_nonnull(vetch_transport_local(t));
    vetch_transport_unref(t);
    tk_finish(ends);
}

VT_TEST(dropped_without_a_protocol_it_is_aborted)
{
    vetch_transport *pair[2];
    struct tk_probe p;

    tk_pair(KIND, pair);
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &p.protocol), 0);
    vetch_transport_unref(pair[0]);
    vt_run_ready();
    tk_write_all(pair[1], "dropped as well");
    vetch_unref(pair[1]);
    tk_until(tk_has(&p, TK_FREED));
    if (KIND != TK_UNIX && KIND != TK_PIPE)
        ck_assert_int_eq(p.lost_code, ECONNRESET);
    tk_done(&p);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(closed_without_a_protocol_it_still_flushes)
{
    vetch_transport *pair[2];
    struct tk_probe p;

    tk_pair(KIND, pair);
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &p.protocol), 0);
    vetch_transport_unref(pair[0]);
    tk_write_all(pair[1], "last words");
    vetch_transport_close(pair[1]);
    vetch_transport_unref(pair[1]);
    tk_until(tk_has(&p, TK_FREED));
    tk_assert_data(&p, "last words");
    ck_assert_int_eq(p.lost_code, 0);
    tk_done(&p);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(a_transport_has_one_protocol)
{
    struct tk_probe ends[2], other;

    tk_connect(KIND, ends);
    tk_init(&other);
    ck_assert_int_eq(vetch_transport_attach(ends[0].t, &other.protocol), -1);
    ck_assert_int_eq(errno, EBUSY);
    tk_finish(ends);
    ck_assert_str_eq(other.trace, "");
}

VT_TEST(every_function_of_a_class_may_be_missing)
{
    static const vetch_protocol_class nothing = { .size = sizeof(nothing) };
    vetch_protocol p = { &nothing };
    vetch_transport *pair[2];
    struct tk_probe probe;

    tk_pair(KIND, pair);
    tk_init(&probe);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &probe.protocol), 0);
    ck_assert_int_eq(vetch_transport_attach(pair[1], &p), 0);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    tk_write_all(pair[0], "nobody listens");
    vt_run_ready();
    vetch_transport_close(pair[0]);
    tk_until(tk_has(&probe, TK_FREED));
    ck_assert_int_eq(probe.lost_code, 0);
    tk_done(&probe);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* libuv #3266, libhv #754: what is open when the loop goes. */
VT_TEST(the_end_of_the_reactor_ends_connections)
{
    struct tk_probe ends[2];
    vetch_transport *held[2], *unattached[2];
    char *data = tk_pattern(1000);
    int freed = 0;

    tk_connect(KIND, ends);
    tk_pair(KIND, unattached);
    vetch_transport_pause(ends[1].t);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, data, 1000, vt_count, &freed),
        0);
    vetch_transport_close(ends[0].t);
    for (int i = 0; i < 2; i++)
        held[i] = vetch_transport_ref(ends[i].t);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(ends[i].trace + ends[i].n_trace - 2, "lf");
        ck_assert_int_ne(ends[i].lost_code, 0);
        ck_assert_int_eq(vetch_transport_write(held[i], "x", 1), -1);
        vetch_transport_abort(held[i]);
        vetch_transport_unref(held[i]);
        ck_assert_int_eq(vetch_transport_write(unattached[i], "x", 1), -1);
        vetch_transport_unref(unattached[i]);
        tk_done(&ends[i]);
    }
    ck_assert_int_eq(freed, 1);
    free(data);
}

VT_TEST(a_pair_needs_a_reactor, .loops = 1)
{
    vetch_transport *pair[2];

    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_transport_pair(pair), -1);
    ck_assert_int_eq(errno, EPERM);
}

/* Two ends that answer each other without end leave room for the rest. */
static void
answer(struct tk_probe *p, char event)
{
    if (event == TK_RECEIVED && p->n_data < 2000000)
        (void)!vetch_transport_write(p->t, "x", 1);
}

VT_TEST(a_chatty_pair_does_not_starve_the_loop, .loops = 1)
{
    struct tk_probe ends[2];
    int fired = 0;

    tk_connect(TK_MEMORY, ends);
    ends[0].act = ends[1].act = answer;
    tk_write_all(ends[0].t, "x");
    tk_turn();
    ck_assert_int_eq(vetch_call_soon(vt_count, &fired), 0);
    tk_turn();
    tk_turn();
    ck_assert_int_eq(fired, 1);
    ck_assert_uint_lt(ends[0].n_data, 2000000);
    tk_finish(ends);
}
