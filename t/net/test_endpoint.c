/* Endpoint strings and addresses as text: pure functions. */
#include "support/harness.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/endpoint-private.h"
#include "net/resolver-private.h"

VT_CASE("basics", vt_tcase);

VT_TEST(well_formed_endpoints_are_taken_apart)
{
    static const struct {
        const char *text;
        enum vetch__endpoint_kind kind;
        const char *host;
        unsigned port;
        bool reuseport;
    } good[] = {
        { "tcp:127.0.0.1:80", VETCH__ENDPOINT_TCP, "127.0.0.1", 80, false },
        { "tcp:127.0.0.1:0", VETCH__ENDPOINT_TCP, "127.0.0.1", 0, false },
        { "tcp:[::1]:65535", VETCH__ENDPOINT_TCP, "::1", 65535, false },
        { "tcp:[fe80::1%1]:8", VETCH__ENDPOINT_TCP, "fe80::1%1", 8, false },
        { "tcp:*:80:reuseport", VETCH__ENDPOINT_TCP, "*", 80, true },
        { "tcp:[::]:80:reuseport", VETCH__ENDPOINT_TCP, "::", 80, true },
        { "tcp:localhost:0080", VETCH__ENDPOINT_TCP, "localhost", 80, false },
        { "tcp:a-b.c_d.Example.:1", VETCH__ENDPOINT_TCP, "a-b.c_d.Example.", 1,
          false },
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct vetch__endpoint e;
        const char *why = vetch__endpoint_parse(&e, good[i].text);

        ck_assert_msg(why == NULL, "%s: %s", good[i].text, why);
        ck_assert_int_eq(e.kind, good[i].kind);
        ck_assert_str_eq(e.host, good[i].host);
        ck_assert_uint_eq(e.port, good[i].port);
        ck_assert_int_eq(e.reuseport, good[i].reuseport);
    }
}

VT_TEST(paths_and_descriptors_are_taken_apart)
{
    struct vetch__endpoint e;

    ck_assert_ptr_null(vetch__endpoint_parse(&e, "unix:/run/a:b.sock"));
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_UNIX);
    ck_assert_str_eq(e.path, "/run/a:b.sock");
    ck_assert_ptr_null(vetch__endpoint_parse(&e, "fd:17"));
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_FD);
    ck_assert_int_eq(e.fd, 17);
}

VT_CASE("errors", vt_tcase);

VT_TEST(malformed_endpoints_are_refused)
{
    static const char *const bad[] = {
        "",
        "tcp",
        "tcp:",
        "TCP:127.0.0.1:1",
        "tcp::80",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:-1",
        "tcp:127.0.0.1:+1",
        "tcp:127.0.0.1: 1",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:99999999999999999999",
        "tcp:127.0.0.1:80x",
        "tcp:127.0.0.1:80:",
        "tcp:127.0.0.1:80:reuse",
        "tcp:127.0.0.1:80:reuseport:",
        "tcp:::1:80",
        "tcp:[::1:80",
        "tcp:[]:80",
        "tcp:[127.0.0.1]:80",
        "tcp:[example]:80",
        "tcp:[::1]80",
        "tcp:[fe80::1%99999999999]:80",
        "tcp:127.1:80",
        "tcp:1.2.3.4.5:80",
        "tcp:0x7f000001:80",
        "tcp:2130706433:80",
        "tcp:-a:80",
        "tcp:a..b:80",
        "tcp:.:80",
        "tcp:a b:80",
        "tcp:a\nb:80",
        "tcp:b\303\274cher:80",
        "unix:",
        "fd:",
        "fd:-1",
        "fd:3x",
        "fd:99999999999",
        "udp:127.0.0.1:80",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vetch__endpoint e;

        ck_assert_msg(vetch__endpoint_parse(&e, bad[i]) != NULL, "%s", bad[i]);
    }
}

VT_CASE("limits", vt_tcase);

/* CVE-2024-24806: an over-long name was cut and then looked up. */
VT_TEST(names_that_are_too_long_are_refused_not_cut)
{
    char text[600], label[65], path[200];
    struct vetch__endpoint e;

    memset(label, 'a', 64);
    label[64] = '\0';
    snprintf(text, sizeof(text), "tcp:%s:80", label);
    ck_assert_ptr_nonnull(vetch__endpoint_parse(&e, text)); /* a label of 64 */
    label[63] = '\0';
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.61s:80", label, label, label,
             label);
    ck_assert_ptr_null(vetch__endpoint_parse(&e, text));
    ck_assert_uint_eq(strlen(e.host), 253);
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.61s.:80", label, label, label,
             label);
    ck_assert_ptr_null(vetch__endpoint_parse(&e, text));
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.62s:80", label, label, label,
             label);
    ck_assert_ptr_nonnull(vetch__endpoint_parse(&e, text));
    memset(path, 'p', sizeof(path));
    path[107] = '\0';
    snprintf(text, sizeof(text), "unix:%s", path);
    ck_assert_ptr_null(vetch__endpoint_parse(&e, text));
    ck_assert_uint_eq(strlen(e.path), 107);
    path[107] = 'p';
    path[108] = '\0';
    snprintf(text, sizeof(text), "unix:%s", path);
    ck_assert_ptr_nonnull(vetch__endpoint_parse(&e, text));
}

VT_CASE("basics", vt_tcase);

/* RFC 6761, section 6.3. */
VT_TEST(localhost_and_what_is_below_it_is_local)
{
    ck_assert(vetch__host_is_local("localhost"));
    ck_assert(vetch__host_is_local("LocalHost."));
    ck_assert(vetch__host_is_local("a.b.localhost"));
    ck_assert(!vetch__host_is_local("alocalhost"));
    ck_assert(!vetch__host_is_local("localhost.example"));
    ck_assert(!vetch__host_is_local("localhos"));
    ck_assert(!vetch__host_is_local(""));
}

VT_TEST(addresses_survive_a_round_trip)
{
    static const struct {
        const char *host, *text;
    } same[] = {
        { "127.0.0.1", "127.0.0.1:81" },
        { "::1", "[::1]:81" },
        { "2001:DB8::00:1", "[2001:db8::1]:81" },
        { "fe80::1%3", "[fe80::1%3]:81" },
        { "::ffff:10.0.0.1", "10.0.0.1:81" },
    };
    char text[VETCH__ADDRESS_TEXT];

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        union vetch__address a;
        socklen_t len;

        ck_assert(vetch__address_parse(&a, &len, same[i].host, 81));
        vetch__address_format(text, &a.any, len);
        ck_assert_str_eq(text, same[i].text);
        ck_assert_uint_eq(vetch__address_port(&a.any), 81);
    }
}

VT_TEST(unix_addresses_are_their_paths)
{
    char text[VETCH__ADDRESS_TEXT];
    union vetch__address a;
    socklen_t len = vetch__address_unix(&a, "/run/x");

    vetch__address_format(text, &a.any, len);
    ck_assert_str_eq(text, "/run/x");
    vetch__address_format(text, &a.any, sizeof(sa_family_t)); /* unnamed */
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(vetch__address_port(&a.any), 0);
    a.any.sa_family = AF_UNSPEC;
    vetch__address_format(text, &a.any, len);
    ck_assert_str_eq(text, "");
}

/* ---- what getaddrinfo() found ---- */

/* A chain of fake answers: '4', '6', or 'x' for a family that is of no use. */
static struct addrinfo *
answer(const char *families)
{
    static struct addrinfo info[100];
    static struct sockaddr_in in[100];
    static struct sockaddr_in6 in6[100];
    size_t n = strlen(families);

    memset(info, 0, sizeof(info));
    memset(in, 0, sizeof(in));
    memset(in6, 0, sizeof(in6));
    for (size_t i = 0; i < n; i++) {
        bool four = families[i] == '4';

        in[i].sin_family = AF_INET;
        in[i].sin_addr.s_addr = htonl((uint32_t)i);
        in6[i].sin6_family = AF_INET6;
        in6[i].sin6_addr.s6_addr[15] = (uint8_t)i;
        info[i].ai_family = families[i] == 'x' ? AF_UNIX
                            : four             ? AF_INET
                                               : AF_INET6;
        info[i].ai_addr =
            four ? (struct sockaddr *)&in[i] : (struct sockaddr *)&in6[i];
        info[i].ai_addrlen = four ? sizeof(in[i]) : sizeof(in6[i]);
        info[i].ai_next = i + 1 < n ? &info[i + 1] : NULL;
    }
    return n > 0 ? info : NULL;
}

/* RFC 8305, section 4. */
VT_TEST(families_take_turns_beginning_with_the_systems_first)
{
    static const struct {
        const char *found, *order;
    } cases[] = {
        { "", "" },           { "4", "0" },         { "xx", "" },
        { "66644", "03142" }, { "44466", "03142" }, { "6464", "0123" },
        { "4x64", "023" },    { "666", "012" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vetch_addresses *a =
            vetch__addresses_found(answer(cases[i].found), 443);

        ck_assert_uint_eq(vetch_addresses_count(a), strlen(cases[i].order));
        for (size_t k = 0; k < vetch_addresses_count(a); k++) {
            socklen_t len = 0;
            const struct sockaddr *any = vetch_addresses_get(a, k, &len);
            const struct sockaddr_in *in = (const void *)any;
            const struct sockaddr_in6 *in6 = (const void *)any;
            unsigned which = any->sa_family == AF_INET
                                 ? ntohl(in->sin_addr.s_addr)
                                 : in6->sin6_addr.s6_addr[15];

            ck_assert_uint_eq(which, (unsigned)(cases[i].order[k] - '0'));
            ck_assert_uint_eq(vetch__address_port(any), 443);
        }
        vetch_addresses_unref(a);
    }
}

VT_CASE("limits", vt_tcase);

/* CVE-2020-8277: an answer with very many addresses. */
VT_TEST(too_many_addresses_are_cut)
{
    char many[100];
    vetch_addresses *a;
    socklen_t len = 0;

    memset(many, '4', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    a = vetch__addresses_found(answer(many), 1);
    ck_assert_uint_eq(vetch_addresses_count(a), VETCH__ADDRESSES_MAX);
    ck_assert_ptr_null(vetch_addresses_get(a, VETCH__ADDRESSES_MAX, &len));
    ck_assert_ptr_eq(vetch_addresses_ref(a), a);
    ck_assert_ptr_null(vetch_addresses_unref(a));
    vetch_unref(a);
}
