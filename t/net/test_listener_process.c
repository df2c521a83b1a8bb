/* What a process may change while it listens: its working directory, its file
 * creation mask, and how many of it there are. */

#include "support/listener_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[32], path[64];

static void
make_dir(void)
{
    strcpy(dir, "/tmp/vetch-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
}

static void
remove_dir(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

/* Connect where the server says that it listens. */
static vetch_transport *
connect_to(const struct lk_server *s)
{
    vetch_error *error;
    vetch_transport *t =
        vetch_run(vetch_connect(vetch_listener_endpoint(s->l)), &error);

    ck_assert_msg(t != NULL, "%s", vetch_error_text(error));
    return t;
}

VT_CASE("process", vt_reactor_tcase);

VT_TEST(a_relative_path_survives_a_change_of_directory)
{
    struct lk_server s;
    struct stat st;

    make_dir();
    ck_assert_int_eq(chdir(dir), 0);
    lk_serve(&s, "unix:s");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_str_eq(vetch_listener_endpoint(s.l) + strlen("unix:"), path);
    vetch_transport_unref(connect_to(&s));
    tk_until(lk_count(&s, TK_FREED) == 1);
    lk_stop(&s);
    ck_assert_int_lt(lstat(path, &st), 0); /* and it is removed */
    remove_dir();
}

VT_TEST(a_removed_directory_is_an_error)
{
    make_dir();
    ck_assert_int_eq(chdir(dir), 0);
    remove_dir();
    ck_assert_ptr_null(vetch_listener_new("unix:s", lk_make, NULL, NULL));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(chdir("/"), 0);
}

static mode_t
mode_of_socket(unsigned option)
{
    vetch_listener_options o = VETCH_LISTENER_OPTIONS_INIT;
    char endpoint[80];
    vetch_listener *l;
    struct stat st;

    o.unix_mode = option;
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
    l = vetch_listener_new(endpoint, lk_make, NULL, &o);
    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq(lstat(path, &st), 0);
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
    return st.st_mode & 0777;
}

VT_TEST(permissions_are_by_the_umask_or_as_asked_for)
{
    mode_t old = umask(027);

    make_dir();
    ck_assert_int_eq(mode_of_socket(0), 0750);
    ck_assert_int_eq(mode_of_socket(0666), 0666);
    ck_assert_int_eq(mode_of_socket(0600), 0600);
    umask(old);
    remove_dir();
}

/* What a child does with what it has inherited must not show in the parent. */
static void
misbehave_in_a_child(vetch_listener *l, vetch_transport *t)
{
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        vetch_transport_unref(t); /* the last reference */
        vetch_listener_unref(l);
        _exit(vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, NULL) !=
              NULL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

VT_TEST(a_forked_child_leaves_the_parents_sockets_alone)
{
    struct lk_server s;
    struct tk_probe p;
    vetch_transport *t;
    char endpoint[80];

    make_dir();
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
    lk_serve(&s, endpoint);
    t = connect_to(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    misbehave_in_a_child(s.l, t);
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    tk_write_all(t, "still here");
    vetch_transport_close(t);
    vetch_transport_unref(t);
    tk_until(tk_has(&p, TK_FREED));
    ck_assert_int_eq(p.lost_code, 0);
    tk_assert_data(&s.probes[0], "still here");
    tk_done(&p);
    vetch_transport_unref(connect_to(&s)); /* the file is still there */
    tk_until(lk_count(&s, TK_FREED) == 2);
    lk_stop(&s);
    remove_dir();
}

VT_TEST(a_forked_child_does_not_reset_a_connection)
{
    struct lk_server s;
    struct tk_probe p;
    vetch_transport *t;

    lk_serve(&s, "tcp:127.0.0.1:0");
    t = connect_to(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    misbehave_in_a_child(s.l, t);
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    tk_write_all(t, "still here");
    vetch_transport_close(t);
    vetch_transport_unref(t);
    tk_until(tk_has(&p, TK_FREED) && lk_count(&s, TK_FREED) == 1);
    ck_assert_int_eq(s.probes[0].lost_code, 0); /* no reset */
    tk_assert_data(&s.probes[0], "still here");
    tk_done(&p);
    lk_stop(&s);
}
