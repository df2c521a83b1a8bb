/* A libevent loop that somebody else owns, and a reactor on it. */

#include "support/harness.h"

#include <errno.h>
#include <event2/event.h>

#include "reactor/reactor-private.h"

static struct event_base *base;

static void
adopt(void)
{
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    vt_reactor = vetch_reactor_adopt(base);
    ck_assert_ptr_nonnull(vt_reactor);
}

static void
give_back(void)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_reactor_current());
    event_base_free(base);
}

static void
break_loop(void *ctx)
{
    (void)ctx;
    event_base_loopbreak(base);
}

VT_CASE("adopted", vt_tcase, .set_up = adopt, .take_down = give_back);

VT_TEST(adopted_loop_is_the_one_loop)
{
    ck_assert_ptr_eq(vetch_reactor_event_base(vt_reactor), base);
    errno = 0;
    ck_assert_ptr_null(vetch_reactor_adopt(base));
    ck_assert_int_eq(errno, EBUSY);
}

VT_TEST(adopted_loop_may_be_run_by_its_owner)
{
    vetch_call_soon(vt_count, &vt_n_run);
    vetch_reactor_post(vt_reactor, vt_count, &vt_n_run);
    vetch_reactor_post(vt_reactor, break_loop, NULL);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_eq(vt_n_run, 2);
}

VT_TEST(adopted_loop_may_be_run_by_the_reactor)
{
    vetch_call_soon(vt_count, &vt_n_run);
    vetch_call_soon(vt_stop_reactor, NULL);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(vt_n_run, 1);
}

static void
call_soon_twice(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    vetch_call_soon(vt_count, &vt_n_run);
    vetch_call_soon(vt_count, &vt_n_run);
    ck_assert_int_eq(vt_n_run, 0);
}

VT_TEST(adopted_loop_runs_what_a_foreign_callback_queues_in_the_same_turn)
{
    struct event *foreign = event_new(base, -1, 0, call_soon_twice, NULL);

    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(vt_n_run, 2);
    event_free(foreign);
}

static void
run_inside(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    errno = 0;
    *(int *)arg = vetch_reactor_run(vt_reactor) < 0 ? errno : 0;
}

VT_TEST(adopted_loop_is_not_run_inside_itself)
{
    int seen = 0;
    struct event *foreign = event_new(base, -1, 0, run_inside, &seen);

    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(seen, EDEADLK);
    event_free(foreign);
}

static void
fire_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    ++*(int *)ctx;
    event_base_loopbreak(base);
}

VT_TEST(adopted_loop_fires_timers)
{
    vetch_timer *t = vetch_timer_new(0.001, fire_timer, &vt_n_run);

    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_eq(vt_n_run, 1);
    vetch_timer_unref(t);
}

static void
count_foreign(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ++*(int *)arg;
}

static void
drop_adopted(void *ctx)
{
    (void)ctx;
    vetch_reactor_unref(vt_reactor);
    vt_reactor = NULL;
}

/* The end comes while the owner's loop runs, which then goes on. */
VT_TEST(adopted_loop_goes_on_after_the_reactor)
{
    struct event *foreign = event_new(base, -1, 0, count_foreign, &vt_n_run);

    vetch_call_soon(drop_adopted, NULL);
    vetch_timer_unref(
        vetch_timer_new_owned(1, fire_timer, &vt_n_run, vt_count_freed));
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_ptr_null(vetch_reactor_current());
    ck_assert_int_eq(vt_n_freed, 1);
    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(vt_n_run, 1);
    event_free(foreign);
}
