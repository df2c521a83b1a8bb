/* Listeners that run out of descriptors. */

#include "support/listener_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/net-private.h"
#include "reactor/reactor-private.h"

static rlim_t
set_descriptors(rlim_t n)
{
    struct rlimit limit;
    rlim_t before;

    getrlimit(RLIMIT_NOFILE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* The number after the highest descriptor in use. */
static rlim_t
descriptors_in_use(void)
{
    int fd = dup(STDIN_FILENO), highest = fd;

    for (int i = 0; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0 && i > highest)
            highest = i;
    close(fd);
    return (rlim_t)highest + (highest == fd ? 0 : 1);
}

/* A server whose next accept lacks a descriptor, one connection open, one
 * waiting. Gaps below the highest descriptor are filled. */
struct shortage {
    struct lk_server s;
    int open, waiting;
    int gaps[1024];
    size_t n_gaps;
    rlim_t before;
};

static void
run_short(struct shortage *sh)
{
    int fd;

    memset(sh, 0, sizeof(*sh));
    lk_serve(&sh->s, "tcp:127.0.0.1:0");
    vetch_listener_set_error_fn(sh->s.l, lk_on_error, &sh->s);
    sh->waiting = lk_raw_socket();
    sh->open = lk_client(&sh->s);
    tk_until(lk_count(&sh->s, TK_CONNECTED) == 1);
    sh->before = set_descriptors(descriptors_in_use());
    while ((fd = dup(STDIN_FILENO)) >= 0)
        sh->gaps[sh->n_gaps++] = fd;
    ck_assert_int_eq(errno, EMFILE);
    lk_raw_connect(sh->waiting, vetch_listener_port(sh->s.l));
    tk_until(sh->s.n_errors > 0);
}

static void
end_shortage(struct shortage *sh)
{
    set_descriptors(sh->before);
    for (size_t i = 0; i < sh->n_gaps; i++)
        close(sh->gaps[i]);
    close(sh->open);
    close(sh->waiting);
    lk_stop(&sh->s);
}

/* valgrind's own accept takes a connection and drops it where the kernel's
 * leaves it waiting. */
VT_CASE("shortage", vt_reactor_tcase, .unless = vt_on_valgrind);

/* libevent #71 #1089; joyent/libuv #315 #690 #1189; node #45242; bun #32705;
 * libmill #182: accepting either took all the CPU or stopped for good.
 * (LESSONS 10) */
VT_TEST(without_descriptors_it_looks_away_for_longer_and_longer)
{
    static const double times[] = { 0.1, 0.2, 0.4, 0.8 };
    struct shortage sh;

    run_short(&sh);
    ck_assert_int_eq(sh.s.error, EMFILE);
    ck_assert_int_eq(sh.s.n_errors, 1);
    for (int i = 0; i < 4; i++) {
        vt_advance(times[i] - 0.001);
        ck_assert_int_eq(sh.s.n_errors, i + 1);
        vt_advance(0.001);
        ck_assert_int_eq(sh.s.n_errors, i + 2);
    }
    ck_assert(!lk_is_closed(sh.waiting));
    set_descriptors(sh.before);
    vt_advance(1);
    tk_until(lk_count(&sh.s, TK_CONNECTED) == 2);
    end_shortage(&sh);
}

VT_TEST(it_goes_on_as_soon_as_a_connection_ends)
{
    struct shortage sh;

    run_short(&sh);
    vetch_transport_abort(sh.s.probes[0].t);
    tk_until(lk_count(&sh.s, TK_CONNECTED) == 2); /* the clock stands still */
    ck_assert_int_eq(sh.s.n_errors, 1);
    end_shortage(&sh);
}

VT_TEST(a_descriptor_to_spare_does_not_lift_the_limit)
{
    struct shortage sh;

    run_short(&sh);
    vetch_listener_set_limit(sh.s.l, 1);
    set_descriptors(sh.before);
    vetch__net_descriptor_closed(vt_reactor->net); /* that of another one */
    vt_advance(1);
    ck_assert_uint_eq(vetch_listener_connections(sh.s.l), 1);
    vetch_transport_abort(sh.s.probes[0].t);
    tk_until(lk_count(&sh.s, TK_CONNECTED) == 2);
    end_shortage(&sh);
}

VT_TEST(after_a_second_in_vain_those_who_wait_are_refused)
{
    struct shortage sh;

    run_short(&sh);
    vt_advance(0.1 + 0.2 + 0.4 + 0.8);
    vt_run_ready();
    ck_assert(!lk_is_closed(sh.waiting));
    vt_advance(1);
    tk_until(lk_is_closed(sh.waiting));
    ck_assert_uint_eq(sh.s.n_made, 1);
    end_shortage(&sh);
}

VT_TEST(a_reserve_that_was_lost_is_made_again)
{
    struct lk_server s;
    int c;

    lk_serve(&s, "tcp:127.0.0.1:0");
    close(vt_reactor->net->reserve_fd);
    vt_reactor->net->reserve_fd = -1;
    c = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_int_ge(vt_reactor->net->reserve_fd, 0);
    close(c);
    lk_stop(&s);
}

VT_TEST(by_default_the_log_hears_of_it_once_a_second)
{
    struct shortage sh;
    const char *lines;

    run_short(&sh);
    vetch_listener_set_error_fn(sh.s.l, NULL, NULL);
    vt_advance(0.75);
    lines = vt_log_take();
    ck_assert_ptr_nonnull(strstr(lines, "accept on tcp:127.0.0.1:"));
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
    vt_advance(2);
    ck_assert_str_ne(vt_log_take(), "");
    end_shortage(&sh);
}

VT_TEST(a_starved_listener_can_be_stopped)
{
    struct shortage sh;

    run_short(&sh);
    end_shortage(&sh);
}
