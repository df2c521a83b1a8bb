/* A program that says where it does not want to connect, and what is public.
 * A URL from a stranger must not reach what only this machine can reach. */
#include "support/listener_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "net/resolver-private.h"
#include "net/sockaddr-private.h"

static struct {
    int n_asked;
    char host[64];
    char refused[64]; /* an address that is not wanted */
    vetch_promise *cancel;
} filter;

static bool
filter_address(const char *host, const struct sockaddr *address, socklen_t len,
               void *ctx)
{
    char text[64];

    ck_assert_ptr_eq(ctx, &filter);
    filter.n_asked++;
    snprintf(filter.host, sizeof(filter.host), "%s", host);
    ck_assert_int_eq(
        getnameinfo(address, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST),
        0);
    if (filter.cancel != NULL)
        vetch_promise_cancel(filter.cancel);
    return strcmp(text, filter.refused) != 0;
}

static void
set_filter(void)
{
    memset(&filter, 0, sizeof(filter));
    ck_assert_int_eq(vetch_connect_set_filter(filter_address, &filter), 0);
}

static vetch_error *
fail_to_connect(const char *endpoint)
{
    vetch_error *error = NULL;
    void *t = vetch_run(vetch_connect(endpoint), &error);

    ck_assert_ptr_null(t);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    return error;
}

static void
connect_well(const char *endpoint)
{
    vetch_error *error;
    vetch_transport *t = vetch_run(vetch_connect(endpoint), &error);

    ck_assert_msg(t != NULL, "%s", vetch_error_text(error));
    vetch_transport_unref(t);
}

VT_CASE("filter", vt_reactor_tcase, .set_up = set_filter);

VT_TEST(a_numeric_address_is_asked_about)
{
    struct lk_server s;
    vetch_error *error;
    char expected[100];

    lk_serve(&s, "tcp:127.0.0.1:0");
    connect_well(vetch_listener_endpoint(s.l));
    ck_assert_int_eq(filter.n_asked, 1);
    ck_assert_str_eq(filter.host, "127.0.0.1");
    tk_until(lk_count(&s, TK_FREED) == 1);
    strcpy(filter.refused, "127.0.0.1");
    error = fail_to_connect(vetch_listener_endpoint(s.l));
    ck_assert(vetch_error_is(error, EACCES));
    snprintf(expected, sizeof(expected),
             "connect 127.0.0.1:%u: not allowed by the program",
             vetch_listener_port(s.l));
    ck_assert_str_eq(vetch_error_text(error), expected);
    vetch_error_unref(error);
    for (int i = 0; i < 3; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 1); /* nobody came */
    lk_stop(&s);
}

VT_TEST(what_is_not_wanted_is_left_out)
{
    struct lk_server s;
    char where[64];

    lk_serve(&s, "tcp:127.0.0.1:0");
    strcpy(filter.refused, "::1");
    snprintf(where, sizeof(where), "tcp:localhost:%u",
             vetch_listener_port(s.l));
    connect_well(where);
    ck_assert_int_eq(filter.n_asked, 2);
    ck_assert_str_eq(filter.host, "localhost");
    tk_until(lk_count(&s, TK_FREED) == 1);
    lk_stop(&s);
}

VT_TEST(datagrams_are_asked_about)
{
    vetch_error *error = NULL;
    void *u;

    u = vetch_run(vetch_udp_connect("udp:127.0.0.1:9", NULL), &error);
    ck_assert_ptr_nonnull(u);
    vetch_unref(u);
    ck_assert_int_eq(filter.n_asked, 1);
    ck_assert_str_eq(filter.host, "127.0.0.1");
    strcpy(filter.refused, "127.0.0.1");
    u = vetch_run(vetch_udp_connect("udp:localhost:9", NULL), &error);
    ck_assert_ptr_null(u);
    ck_assert_str_eq(filter.host, "localhost");
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert(vetch_error_is(error, EACCES));
    vetch_error_unref(error);
}

VT_TEST(unix_sockets_are_not_asked_about)
{
    struct lk_server s;

    lk_make_folder();
    lk_serve(&s, lk_endpoint);
    connect_well(lk_endpoint);
    ck_assert_int_eq(filter.n_asked, 0);
    tk_until(lk_count(&s, TK_FREED) == 1);
    lk_stop(&s);
    lk_remove_folder();
}

VT_TEST(without_filter_all_is_well_again)
{
    struct lk_server s;

    lk_serve(&s, "tcp:127.0.0.1:0");
    strcpy(filter.refused, "127.0.0.1");
    ck_assert_int_eq(vetch_connect_set_filter(NULL, NULL), 0);
    connect_well(vetch_listener_endpoint(s.l));
    tk_until(lk_count(&s, TK_FREED) == 1);
    lk_stop(&s);
}

VT_TEST(without_a_reactor_none_can_be_set)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_connect_set_filter(NULL, NULL), -1);
    ck_assert_int_eq(errno, EPERM);
}

/* ---- names ---- */

/* DNS rebinding: the name is harmless, its address is not. */
static int
rebinding(const char *host, const char *service, const struct addrinfo *hints,
          struct addrinfo **ret_list)
{
    struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST,
                                .ai_socktype = hints->ai_socktype };

    (void)service;
    ck_assert_str_eq(host, "harmless.test");
    return getaddrinfo("127.0.0.1", NULL, &numeric, ret_list);
}

static void
set_rebinding(void)
{
    set_filter();
    vetch__getaddrinfo = rebinding;
}

static void
set_system(void)
{
    vetch__getaddrinfo = getaddrinfo;
}

VT_CASE("names", vt_reactor_tcase, .set_up = set_rebinding,
        .take_down = set_system);

VT_TEST(the_address_behind_a_name_is_asked_about)
{
    vetch_error *error;

    strcpy(filter.refused, "127.0.0.1");
    for (int i = 0; i < 2; i++) { /* the second time it is known */
        error = fail_to_connect("tcp:harmless.test:80");
        ck_assert(vetch_error_is(error, EACCES));
        ck_assert_str_eq(vetch_error_text(error),
                         "connect harmless.test:80: 127.0.0.1:80: not allowed "
                         "by the program");
        ck_assert_int_eq(filter.n_asked, i + 1);
        ck_assert_str_eq(filter.host, "harmless.test");
        vetch_error_unref(error);
    }
}

VT_TEST(the_filter_may_cancel_what_it_is_asked_for)
{
    vetch_promise *p = vetch_connect("tcp:harmless.test:80");

    filter.cancel = p;
    tk_until(vetch_promise_state(p) != VETCH_PENDING);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    ck_assert_int_eq(filter.n_asked, 1);
    vetch_promise_unref(p);
}

/* ---- what is public ---- */

VT_CASE("public", vt_tcase);

static bool
is_public(const char *text)
{
    union vetch__address a;
    socklen_t len;

    ck_assert(vetch__address_parse(&a, &len, text, 80));
    return vetch_address_is_public(&a.any, len);
}

VT_TEST(public_addresses_are_public)
{
    static const char *const yes[] = {
        "1.1.1.1",         "8.8.8.8",          "9.255.255.255",
        "11.0.0.0",        "100.63.255.255",   "100.128.0.0",
        "126.255.255.255", "128.0.0.1",        "172.15.255.255",
        "172.32.0.0",      "192.0.1.0",        "198.17.255.255",
        "198.20.0.0",      "223.255.255.255",  "2000::1",
        "2001:200::1",     "2606:4700::1111",  "3ffe::1",
        "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(is_public(yes[i]), "%s", yes[i]);
}

VT_TEST(all_others_are_not)
{
    static const char *const no[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };

    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!is_public(no[i]), "%s", no[i]);
}

VT_TEST(what_is_no_ip_address_is_not)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(0x08080808) } };

    ck_assert(!vetch_address_is_public((struct sockaddr *)&un, sizeof(un)));
    ck_assert(vetch_address_is_public((struct sockaddr *)&in, sizeof(in)));
    ck_assert(!vetch_address_is_public((struct sockaddr *)&in, 8));
    ck_assert(!vetch_address_is_public((struct sockaddr *)&in, 0));
}
