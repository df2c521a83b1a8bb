/* How listeners stop, and who holds them. */

#include "support/listener_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

VT_CASE("stop", vt_reactor_tcase);

/* node #2642, aiohttp #1221: a stop that never ends. */
VT_TEST(stop_lets_connections_end_and_cuts_the_rest)
{
    struct lk_server s;
    int c[3];
    vetch_promise *p;

    lk_serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        c[i] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    p = vetch_listener_stop(s.l, 5);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    close(c[0]);
    tk_until(lk_count(&s, TK_FREED) == 1);
    vt_advance(4.99);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.01);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 2);
    ck_assert_uint_eq(vetch_stop_report_ended(vetch_promise_value(p)), 1);
    ck_assert_uint_eq(vetch_stop_report_canceled(vetch_promise_value(p)), 0);
    ck_assert_int_eq(s.probes[2].lost_code, VETCH_ECLOSED);
    tk_until(lk_is_closed(c[1]) && lk_is_closed(c[2]));
    vetch_promise_unref(p);
    close(c[1]);
    close(c[2]);
    lk_stop(&s);
}

VT_TEST(stop_without_connections_ends_at_once)
{
    struct lk_server s;
    vetch_promise *p;
    int c;

    lk_serve(&s, "tcp:127.0.0.1:0");
    p = vetch_listener_stop(s.l, 60);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 0);
    vetch_promise_unref(p);
    c = lk_client(&s);
    tk_until(lk_is_closed(c)); /* refused */
    close(c);
    lk_stop(&s);
}

VT_TEST(a_second_stop_can_only_be_earlier)
{
    struct lk_server s;
    vetch_promise *a, *b, *c;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0");
    fd = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    a = vetch_listener_stop(s.l, 5);
    b = vetch_listener_stop(s.l, 2);
    c = vetch_listener_stop(s.l, 9);
    vt_advance(1.99);
    ck_assert_int_eq(vetch_promise_state(a), VETCH_PENDING);
    vt_advance(0.01);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(a)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(b)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(c)), 1);
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    vetch_promise_unref(c);
    close(fd);
    lk_stop(&s);
}

VT_TEST(cancelling_a_stop_cuts_now)
{
    struct lk_server s;
    vetch_promise *p;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0");
    fd = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    p = vetch_timeout(vetch_listener_stop(s.l, 60), 1);
    vt_advance(1);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ETIMEDOUT);
    ck_assert_uint_eq(lk_count(&s, TK_FREED), 1);
    vetch_promise_unref(p);
    close(fd);
    lk_stop(&s);
}

/* Two who stop one listener do not know of one another. */
VT_TEST(cancelling_one_call_leaves_the_others)
{
    struct lk_server s;
    vetch_promise *a, *b;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0");
    fd = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    a = vetch_listener_stop(s.l, 60);
    b = vetch_timeout(vetch_listener_stop(s.l, 60), 1);
    vt_advance(1);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(b)), VETCH_ETIMEDOUT);
    vt_advance(10);
    ck_assert_int_eq(vetch_promise_state(a), VETCH_PENDING);
    ck_assert_uint_eq(lk_count(&s, TK_LOST), 0);
    close(fd);
    tk_until(vetch_promise_state(a) != VETCH_PENDING);
    ck_assert_uint_eq(vetch_stop_report_ended(vetch_promise_value(a)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(a)), 0);
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    lk_stop(&s);
}

VT_TEST(when_every_call_was_cancelled_the_rest_is_cut)
{
    struct lk_server s;
    vetch_promise *a, *b;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0");
    fd = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    a = vetch_listener_stop(s.l, 60);
    b = vetch_listener_stop(s.l, 60);
    vetch_promise_cancel(a);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(a)), VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(b), VETCH_PENDING);
    vetch_promise_cancel(b);
    ck_assert_int_eq(vetch_promise_state(b), VETCH_PENDING);
    vt_run_ready();
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(b)), 1);
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    close(fd);
    lk_stop(&s);
}

VT_TEST(a_report_outlives_its_listener)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, NULL);
    vetch_stop_report *report = vetch_run(vetch_listener_stop(l, 1), NULL);

    vetch_listener_unref(l);
    ck_assert_ptr_eq(vetch_stop_report_ref(report), report);
    vetch_unref(report);
    ck_assert_uint_eq(vetch_stop_report_ended(report), 0);
    ck_assert_ptr_null(vetch_stop_report_unref(report));
    ck_assert_ptr_null(vetch_stop_report_unref(vetch_stop_report_ref(NULL)));
}

VT_TEST(no_report_is_misuse, .misuse = true)
{
    ck_assert_uint_eq(vetch_stop_report_ended(NULL), 0);
    ck_assert_uint_eq(vetch_stop_report_canceled(NULL), 0);
    ck_assert_uint_eq(vetch_stop_report_cut(NULL), 0);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_stop_report_cut"));
}

static void
stop_now(struct lk_server *s)
{
    vetch_promise_unref(vetch_listener_stop(s->l, 0));
}

static void
stop_when(struct tk_probe *p, char event)
{
    struct lk_server *s = p->arg;

    if (event == TK_CONNECTED || event == TK_LOST || event == TK_FREED)
        stop_now(s);
}

/* libuv #2087, curl #3537: from inside its own callbacks. */
VT_TEST(it_may_be_stopped_from_inside)
{
    for (int inside = 0; inside < 2; inside++) {
        struct lk_server s;
        int a, b;

        lk_serve(&s, "tcp:127.0.0.1:0");
        s.on_make = inside == 0 ? stop_now : NULL;
        s.act = stop_when;
        a = lk_client(&s);
        b = lk_client(&s);
        tk_until(lk_count(&s, TK_FREED) == 1);
        ck_assert_uint_eq(s.n_made, 1);
        tk_until(lk_is_closed(a) && lk_is_closed(b));
        close(a);
        close(b);
        lk_stop(&s);
    }
}

static void
release(struct lk_server *s)
{
    s->l = vetch_listener_unref(s->l);
}

VT_TEST(a_released_listener_goes_on)
{
    struct lk_server s;
    vetch_listener *l;
    int a, b;

    lk_serve(&s, "tcp:127.0.0.1:0");
    l = vetch_listener_ref(s.l);
    vetch_listener_unref(l);
    a = lk_client(&s);
    b = lk_client(&s);
    l = s.l;
    s.on_make = release; /* the last reference but the reactor's */
    tk_until(lk_count(&s, TK_CONNECTED) >= 1);
    s.on_make = NULL;
    tk_until(lk_count(&s, TK_CONNECTED) == 2);
    close(a);
    close(b);
    tk_until(lk_count(&s, TK_FREED) == 2);
    s.l = vetch_listener_ref(l);
    lk_stop(&s);
}

static void
count_free(void *ctx)
{
    ((struct lk_server *)ctx)->freed++;
}

VT_TEST(an_owned_ctx_is_freed_once_when_it_has_ended)
{
    struct lk_server s;
    int c;
    vetch_promise *p;

    memset(&s, 0, sizeof(s));
    ck_assert_ptr_null(
        vetch_listener_new_owned("x", lk_make, &s, count_free, NULL));
    ck_assert_int_eq(s.freed, 0); /* it stays the caller's */
    s.l = vetch_listener_new_owned("tcp:127.0.0.1:0", lk_make, &s, count_free,
                                   NULL);
    c = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    p = vetch_listener_stop(s.l, 1);
    ck_assert_int_eq(s.freed, 0);
    vt_advance(1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_int_eq(s.freed, 1);
    vetch_promise_unref(p);
    close(c);
    lk_stop(&s);
    ck_assert_int_eq(s.freed, 1);
}

VT_TEST(the_end_of_the_reactor_ends_it)
{
    struct lk_server s, with_one;
    vetch_promise *p;
    struct stat st;
    int c;

    lk_make_folder();
    lk_serve(&s, lk_endpoint);
    lk_serve(&with_one, "tcp:127.0.0.1:0");
    c = lk_client(&with_one);
    tk_until(lk_count(&with_one, TK_CONNECTED) == 1);
    p = vetch_listener_stop(with_one.l, 60);
    vetch_promise_unref(vetch_catch(p, NULL, NULL));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_lt(stat(lk_path, &st), 0);
    ck_assert_str_eq(with_one.probes[0].trace, "clf");
    ck_assert_int_eq(with_one.probes[0].lost_code, VETCH_ECLOSED);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), lk_endpoint);
    vetch_listener_set_limit(s.l, 3);
    vetch_listener_unref(s.l);
    vetch_listener_unref(with_one.l);
    tk_done(&with_one.probes[0]);
    close(c);
    lk_remove_folder();
    vt_log_take(); /* that the stop was rejected */
}

VT_TEST(without_a_reactor_there_is_none)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EPERM);
}
