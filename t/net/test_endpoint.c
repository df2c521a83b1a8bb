/* Endpoint strings and addresses as text: pure functions. */
#include "support/harness.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/endpoint-private.h"
#include "net/resolver-private.h"

/* The endpoint that a test looks at, and why it was refused. */
static struct vetch__endpoint e;

static const char *
parse_endpoint(const char *text, enum vetch__endpoint_use use)
{
    return vetch__endpoint_parse(&e, text, use);
}

static void
accept_endpoint(const char *text, enum vetch__endpoint_use use)
{
    const char *why = parse_endpoint(text, use);

    ck_assert_msg(why == NULL, "%s: %s", text, why);
}

VT_CASE("basics", vt_tcase);

VT_TEST(well_formed_endpoints_are_taken_apart)
{
    static const struct {
        const char *text;
        enum vetch__endpoint_kind kind;
        const char *host;
        unsigned port;
        bool reuseport, tls;
    } good[] = {
        { "tcp:127.0.0.1:80", VETCH__ENDPOINT_TCP, "127.0.0.1", 80, false,
          false },
        { "tcp:127.0.0.1:0", VETCH__ENDPOINT_TCP, "127.0.0.1", 0, false,
          false },
        { "tcp:[::1]:65535", VETCH__ENDPOINT_TCP, "::1", 65535, false, false },
        { "tcp:[fe80::1%1]:8", VETCH__ENDPOINT_TCP, "fe80::1%1", 8, false,
          false },
        { "tcp:*:80,reuseport", VETCH__ENDPOINT_TCP, "*", 80, true, false },
        { "tcp:[::]:80,reuseport=yes", VETCH__ENDPOINT_TCP, "::", 80, true,
          false },
        { "tcp:[::]:80,reuseport,reuseport=no", VETCH__ENDPOINT_TCP, "::", 80,
          false, false },
        { "tcp:localhost:0080", VETCH__ENDPOINT_TCP, "localhost", 80, false,
          false },
        { "tls:[::1]:443", VETCH__ENDPOINT_TCP, "::1", 443, false, true },
        { "tcp:*:443,tls", VETCH__ENDPOINT_TCP, "*", 443, false, true },
        { "udp:127.0.0.1:53", VETCH__ENDPOINT_UDP, "127.0.0.1", 53, false,
          false },
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        accept_endpoint(good[i].text, VETCH__TO_LISTEN);
        ck_assert_int_eq(e.kind, good[i].kind);
        ck_assert_str_eq(e.host, good[i].host);
        ck_assert_uint_eq(e.port, good[i].port);
        ck_assert_int_eq(e.reuseport, good[i].reuseport);
        ck_assert_int_eq(e.tls, good[i].tls);
    }
    accept_endpoint("tcp:a-b.c_d.Example.:1", VETCH__TO_CONNECT);
    ck_assert_str_eq(e.host, "a-b.c_d.Example.");
}

VT_TEST(paths_and_descriptors_are_taken_apart)
{
    accept_endpoint("unix:/run/a:b.sock", VETCH__TO_CONNECT);
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_UNIX);
    ck_assert_str_eq(e.path, "/run/a:b.sock");
    accept_endpoint("unix:@vetch/x", VETCH__TO_LISTEN);
    ck_assert_str_eq(e.path, "@vetch/x");
    accept_endpoint("unixgram:/dev/log", VETCH__TO_CONNECT);
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_UNIXGRAM);
    ck_assert_str_eq(e.path, "/dev/log");
    accept_endpoint("fd:17", VETCH__TO_LISTEN);
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_FD);
    ck_assert_int_eq(e.fd, 17);
    accept_endpoint("systemd:web", VETCH__TO_LISTEN);
    ck_assert_int_eq(e.kind, VETCH__ENDPOINT_SYSTEMD);
    ck_assert_str_eq(e.name, "web");
}

VT_TEST(a_doubled_comma_belongs_to_the_path)
{
    accept_endpoint("unix:/run/a,,b,mode=660", VETCH__TO_LISTEN);
    ck_assert_str_eq(e.path, "/run/a,b");
    ck_assert_uint_eq(e.mode, 0660);
    accept_endpoint("unix:a,,,mode=600", VETCH__TO_LISTEN);
    ck_assert_str_eq(e.path, "a,");
    accept_endpoint("tls:*:1,cert=x,,,,y.pem,key=z", VETCH__TO_LISTEN);
    ck_assert_str_eq(e.cert, "x,,y.pem");
    ck_assert_str_eq(e.key, "z");
}

VT_TEST(options_are_what_they_say)
{
    accept_endpoint("tcp:*:80", VETCH__TO_LISTEN);
    ck_assert(e.socket.nodelay && !e.proxy && e.backlog == 0);
    accept_endpoint(
        "tcp:*:80,backlog=7,keepalive=30,user_timeout=20,nodelay=no",
        VETCH__TO_LISTEN);
    ck_assert_uint_eq(e.backlog, 7);
    ck_assert_uint_eq(e.socket.keepalive, 30);
    ck_assert_uint_eq(e.socket.user_timeout, 20);
    ck_assert(!e.socket.nodelay);
    accept_endpoint("systemd:web,tls,cert=a,key=b,ca=c,alpn=h2,alpn=http/1.1",
                    VETCH__TO_LISTEN);
    ck_assert(e.tls);
    ck_assert_str_eq(e.cert, "a");
    ck_assert_str_eq(e.key, "b");
    ck_assert_str_eq(e.ca, "c");
    ck_assert_str_eq(e.alpn[0], "h2");
    ck_assert_str_eq(e.alpn[1], "http/1.1");
    ck_assert_ptr_null(e.alpn[2]);
    accept_endpoint("tls:127.0.0.1:443,name=example.org", VETCH__TO_CONNECT);
    ck_assert_str_eq(e.tls_name, "example.org");
}

VT_TEST(proxies_are_networks)
{
    accept_endpoint("tcp:*:80,proxy", VETCH__TO_LISTEN);
    ck_assert(e.proxy && e.n_proxies == 0);
    accept_endpoint("unix:x,proxy=10.0.0.0/8,proxy=fd00::/8,proxy=192.0.2.1",
                    VETCH__TO_LISTEN);
    ck_assert(e.proxy);
    ck_assert_uint_eq(e.n_proxies, 3);
}

VT_TEST(messages_have_a_target)
{
    static const char *const cases[][2] = {
        { "tcp:localhost:80,nodelay", "localhost:80" },
        { "tls:[::1]:443", "[::1]:443" },
        { "unix:/run/x,tls", "/run/x" },
        { "unix:@x", "@x" },
    };
    char to[VETCH__HOST_MAX + 16];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        accept_endpoint(cases[i][0], VETCH__TO_CONNECT);
        vetch__endpoint_target(&e, to);
        ck_assert_str_eq(to, cases[i][1]);
    }
}

VT_CASE("errors", vt_tcase);

static const struct {
    const char *text, *why;
} bad[] = {
    { "", "\"\" has no kind, such as tcp: or unix:" },
    { "tcp", "\"tcp\" has no kind, such as tcp: or unix:" },
    { "TCP:127.0.0.1:1", "unknown kind \"TCP\"" },
    { "http://x/", "unknown kind \"http\"" },
    { "tcp:", "no port behind \"\"" },
    { "tcp::80", "\"\" is neither a name nor an address" },
    { "tcp:127.0.0.1", "no port behind \"127.0.0.1\"" },
    { "tcp:127.0.0.1:", "\"\" is no port" },
    { "tcp:127.0.0.1:-1", "\"-1\" is no port" },
    { "tcp:127.0.0.1:+1", "\"+1\" is no port" },
    { "tcp:127.0.0.1: 1", "\" 1\" is no port" },
    { "tcp:127.0.0.1:65536", "\"65536\" is no port" },
    { "tcp:127.0.0.1:99999999999999999999",
      "\"99999999999999999999\" is no port" },
    { "tcp:127.0.0.1:80x", "\"80x\" is no port" },
    { "tcp:127.0.0.1:80:reuseport",
      "\"127.0.0.1:80:reuseport\" is no host and port (an IPv6 address needs "
      "brackets, an option a comma)" },
    { "tcp:::1:80", "\"::1:80\" is no host and port (an IPv6 address needs "
                    "brackets, an option a comma)" },
    { "tcp:[::1:80", "no port behind \"[::1:80\"" },
    { "tcp:[]:80", "[] is no IPv6 address" },
    { "tcp:[127.0.0.1]:80", "[127.0.0.1] is no IPv6 address" },
    { "tcp:[example]:80", "[example] is no IPv6 address" },
    { "tcp:[fe80::1%99999999999]:80",
      "[fe80::1%99999999999] is no IPv6 address" },
    { "tcp:127.1:80", "\"127.1\" is neither a name nor an address" },
    { "tcp:1.2.3.4.5:80", "\"1.2.3.4.5\" is neither a name nor an address" },
    { "tcp:0x7f000001:80", "\"0x7f000001\" is neither a name nor an address" },
    { "tcp:2130706433:80", "\"2130706433\" is neither a name nor an address" },
    { "tcp:-a:80", "\"-a\" is neither a name nor an address" },
    { "tcp:a..b:80", "\"a..b\" is neither a name nor an address" },
    { "tcp:.:80", "\".\" is neither a name nor an address" },
    { "tcp:a b:80", "\"a b\" is neither a name nor an address" },
    { "tcp:a\nb:80", "\"a?b\" is neither a name nor an address" },
    { "tcp:b\303\274cher:80",
      "\"b\303\274cher\" is neither a name nor an address" },
    { "tcp:example.org:80",
      "\"example.org\" is a name: to listen takes an address" },
    { "unix:", "no path" },
    { "unix:@", "no name behind @" },
    { "unixgram:,mode=600", "no path" },
    { "fd:", "\"\" is no descriptor" },
    { "fd:-1", "\"-1\" is no descriptor" },
    { "fd:3x", "\"3x\" is no descriptor" },
    { "fd:99999999999", "\"99999999999\" is no descriptor" },
    { "systemd:", "\"\" is no name of a descriptor" },
    { "systemd:a:b", "\"a:b\" is no name of a descriptor" },
    { "tcp:*:80,", "an option is empty" },
    { "tcp:*:80,nodelay,", "an option is empty" },
    { "tcp:*:80,,reuseport", "\"80,reuseport\" is no port" },
    { "tcp:*:80,reuse", "unknown option \"reuse\"" },
    { "tcp:*:80,Nodelay", "unknown option \"Nodelay\"" },
    { "tcp:*:80,reuseport=", "option reuseport is yes or no, not \"\"" },
    { "tcp:*:80,nodelay=1", "option nodelay is yes or no, not \"1\"" },
    { "tcp:*:80,backlog", "option backlog has no value" },
    { "tcp:*:80,backlog=", "option backlog has no value" },
    { "tcp:*:80,backlog=0",
      "option backlog is a number from 1 to 65535, not \"0\"" },
    { "tcp:*:80,keepalive=86401",
      "option keepalive is a number from 1 to 86400, not \"86401\"" },
    { "tcp:*:80,keepalive=1s",
      "option keepalive is a number from 1 to 86400, not \"1s\"" },
    { "tcp:*:80,mode=600", "option mode is not for this kind" },
    { "unix:x,mode=888",
      "option mode is an octal number up to 777, not \"888\"" },
    { "unix:x,mode=77777777777777",
      "option mode is an octal number up to 777, not \"77777777777777\"" },
    { "unix:x,reuseport", "option reuseport is not for this kind" },
    { "unix:x,keepalive=1", "option keepalive is not for this kind" },
    { "udp:*:53,proxy", "option proxy is not for this kind" },
    { "fd:3,backlog=9", "option backlog is not for this kind" },
    { "tcp:*:80,cert=x", "option cert is of no use without tls" },
    { "tls:*:80,name=x", "option name is for connecting" },
    { "tcp:*:80,proxy=", "option proxy: \"\" is no network, such as "
                         "10.0.0.0/8" },
    { "tcp:*:80,proxy=10.0.0.1/8",
      "option proxy: \"10.0.0.1/8\" is no network, such as 10.0.0.0/8" },
    { "tcp:*:80,proxy=10.0.0.0/33",
      "option proxy: \"10.0.0.0/33\" is no network, such as 10.0.0.0/8" },
};

VT_TEST(malformed_endpoints_are_refused_and_told_why, .loops = VT_COUNT_OF(bad))
{
    const char *why = parse_endpoint(bad[_i].text, VETCH__TO_LISTEN);

    ck_assert_msg(why != NULL, "%s", bad[_i].text);
    ck_assert_str_eq(why, bad[_i].why);
}

VT_TEST(what_is_for_listening_is_not_for_connecting)
{
    static const char *const cases[][2] = {
        { "tcp:*:80", "host * is for listening" },
        { "tcp:127.0.0.1:0", "port 0 is for listening" },
        { "fd:3", "fd is for listening" },
        { "systemd:web", "systemd is for listening" },
        { "tcp:h:80,reuseport", "option reuseport is for listening" },
        { "unix:x,mode=600", "option mode is for listening" },
        { "tcp:h:80,proxy", "option proxy is for listening" },
        { "udp:h:53,reuseport", "option reuseport is for listening" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = parse_endpoint(cases[i][0], VETCH__TO_CONNECT);

        ck_assert_msg(why != NULL, "%s", cases[i][0]);
        ck_assert_str_eq(why, cases[i][1]);
    }
}

VT_TEST(a_program_can_check_an_endpoint)
{
    vetch_error *error =
        vetch_endpoint_check("tcp:h:80,,x", VETCH_ENDPOINT_CONNECT);

    ck_assert_int_eq(vetch_error_code(error), VETCH_EENDPOINT);
    ck_assert_str_eq(vetch_error_text(error), "\"80,x\" is no port");
    vetch_error_unref(error);
    ck_assert_ptr_null(
        vetch_endpoint_check("tcp:h:80", VETCH_ENDPOINT_CONNECT));
    ck_assert_ptr_null(
        vetch_endpoint_check("systemd:x", VETCH_ENDPOINT_LISTEN));
}

VT_CASE("limits", vt_tcase);

/* CVE-2024-24806: an over-long name was cut and then looked up. */
VT_TEST(names_that_are_too_long_are_refused_not_cut)
{
    char text[600], label[65], path[200];

    memset(label, 'a', 64);
    label[64] = '\0';
    snprintf(text, sizeof(text), "tcp:%s:80", label);
    ck_assert_ptr_nonnull(
        parse_endpoint(text, VETCH__TO_CONNECT)); /* a label of 64 */
    label[63] = '\0';
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.61s:80", label, label, label,
             label);
    accept_endpoint(text, VETCH__TO_CONNECT);
    ck_assert_uint_eq(strlen(e.host), 253);
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.61s.:80", label, label, label,
             label);
    accept_endpoint(text, VETCH__TO_CONNECT);
    snprintf(text, sizeof(text), "tcp:%s.%s.%s.%.62s:80", label, label, label,
             label);
    ck_assert_ptr_nonnull(parse_endpoint(text, VETCH__TO_CONNECT));
    memset(path, 'p', sizeof(path));
    path[107] = '\0';
    snprintf(text, sizeof(text), "unix:%s", path);
    accept_endpoint(text, VETCH__TO_CONNECT);
    ck_assert_uint_eq(strlen(e.path), 107);
    path[107] = 'p';
    path[108] = '\0';
    snprintf(text, sizeof(text), "unix:%s", path);
    ck_assert_str_eq(parse_endpoint(text, VETCH__TO_CONNECT),
                     "the path is longer than 107 bytes");
}

VT_TEST(endpoints_that_are_too_long_are_refused)
{
    char text[VETCH__ENDPOINT_TEXT + 1] = "tls:h:80,cert=";
    size_t len = strlen(text);

    memset(text + len, 'x', sizeof(text) - len);
    text[VETCH__ENDPOINT_TEXT - 1] = '\0';
    accept_endpoint(text, VETCH__TO_CONNECT);
    text[VETCH__ENDPOINT_TEXT - 1] = 'x';
    text[VETCH__ENDPOINT_TEXT] = '\0';
    ck_assert_str_eq(parse_endpoint(text, VETCH__TO_CONNECT),
                     "it is longer than 2047 bytes");
}

VT_TEST(lists_of_options_are_bounded)
{
    char text[400] = "tls:*:80";

    for (int i = 0; i < VETCH__ENDPOINT_ALPN_MAX; i++)
        strcat(text, ",alpn=x");
    accept_endpoint(text, VETCH__TO_LISTEN);
    strcat(text, ",alpn=x");
    ck_assert_str_eq(parse_endpoint(text, VETCH__TO_LISTEN),
                     "more than 8 options alpn");
    strcpy(text, "tcp:*:80");
    for (int i = 0; i < VETCH__ENDPOINT_PROXIES_MAX; i++)
        strcat(text, ",proxy=::/0");
    accept_endpoint(text, VETCH__TO_LISTEN);
    strcat(text, ",proxy=::/0");
    ck_assert_str_eq(parse_endpoint(text, VETCH__TO_LISTEN),
                     "more than 16 networks of proxies");
}

VT_CASE("networks", vt_tcase);

VT_TEST(a_network_has_the_addresses_that_begin_like_it)
{
    static const struct {
        const char *network, *address;
        bool has;
    } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.0/8", "::ffff:10.1.2.3", true },
        { "10.0.0.0/8", "::a01:203", false },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.128/25", "192.0.2.128", true },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "203.0.113.9", true },
        { "fe80::/10", "febf::1", true },
        { "fe80::/10", "fec0::1", false },
        { "2001:db8::1/128", "2001:db8::1", true },
        { "2001:db8::1/128", "2001:db8::2", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vetch__network n;
        union vetch__address a;
        socklen_t len;

        ck_assert(vetch__network_parse(&n, cases[i].network));
        ck_assert(vetch__address_parse(&a, &len, cases[i].address, 1));
        ck_assert_msg(vetch__network_has(&n, &a.any) == cases[i].has,
                      "%s in %s", cases[i].address, cases[i].network);
    }
}

VT_TEST(what_is_no_network_is_refused)
{
    static const char *const no[] = {
        "",
        "10",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/8x",
        "/8",
        "::/129",
        "10.1.0.0/8",
        "::1/64",
        "a/8",
        "[::]/0",
        "fe80::%1",
        "10.0.0.0/8/",
        "1.2.3.4 ",
        "0.0.0.0/33",
        "fe80::%lo/64",
    };

    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        struct vetch__network n;

        ck_assert_msg(!vetch__network_parse(&n, no[i]), "%s", no[i]);
    }
}

VT_TEST(a_unix_peer_is_in_no_network)
{
    struct sockaddr any = { .sa_family = AF_UNIX };
    struct vetch__network n;

    ck_assert(vetch__network_parse(&n, "::/0"));
    ck_assert(!vetch__network_has(&n, &any));
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

VT_TEST(abstract_names_begin_with_an_at_sign)
{
    char text[VETCH__ADDRESS_TEXT];
    union vetch__address a;
    struct sockaddr_un *un = (struct sockaddr_un *)&a.storage;
    socklen_t len = vetch__address_unix(&a, "@vetch");

    ck_assert_uint_eq(len, offsetof(struct sockaddr_un, sun_path) + 6);
    ck_assert_int_eq(memcmp(un->sun_path, "\0vetch", 6), 0);
    vetch__address_format(text, &a.any, len);
    ck_assert_str_eq(text, "@vetch");
    un->sun_path[2] = '\0'; /* a name may have NULs */
    vetch__address_format(text, &a.any, len);
    ck_assert_str_eq(text, "@v@tch");
}

VT_TEST(addresses_as_endpoints_can_be_parsed_again)
{
    char text[VETCH__ENDPOINT_NAME], path[VETCH__UNIX_MAX + 1];
    union vetch__address a;
    socklen_t len;

    memset(path, ',', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    len = vetch__address_unix(&a, path);
    vetch__address_endpoint(text, "unix:", &a.any, len);
    accept_endpoint(text, VETCH__TO_CONNECT);
    ck_assert_str_eq(e.path, path);
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
