/* http URLs: what is taken apart how, and what is refused. */

#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "http/message/url-private.h"

struct good {
    const char *text, *endpoint, *host, *target;
};

static const struct good good[] = {
    { "http://example.org", "tcp:example.org:80", "example.org", "/" },
    { "http://example.org/", "tcp:example.org:80", "example.org", "/" },
    { "HTTP://Example.ORG/Path", "tcp:example.org:80", "example.org", "/Path" },
    { "http://example.org:80/a", "tcp:example.org:80", "example.org", "/a" },
    { "http://example.org:/a", "tcp:example.org:80", "example.org", "/a" },
    { "http://example.org:8001/a", "tcp:example.org:8001", "example.org:8001",
      "/a" },
    { "http://h:00080/", "tcp:h:80", "h", "/" },
    { "http://h:65535/", "tcp:h:65535", "h:65535", "/" },
    { "http://127.0.0.1:1/x/y.gif", "tcp:127.0.0.1:1", "127.0.0.1:1",
      "/x/y.gif" },
    { "http://[::1]/", "tcp:[::1]:80", "[::1]", "/" },
    { "http://[0:0:0:0:0:0:0:1]:8080/", "tcp:[::1]:8080", "[::1]:8080", "/" },
    { "http://[2001:DB8::A]:81", "tcp:[2001:db8::a]:81", "[2001:db8::a]:81",
      "/" },
    { "http://h?q=1", "tcp:h:80", "h", "/?q=1" },
    { "http://h#top", "tcp:h:80", "h", "/" },
    { "http://h/a?b=c/d?e#f?g", "tcp:h:80", "h", "/a?b=c/d?e" },
    { "http://h/a%20b/%C3%A9?%00", "tcp:h:80", "h", "/a%20b/%C3%A9?%00" },
    { "http://h/a@b:c", "tcp:h:80", "h", "/a@b:c" },
    { "http://h/~x/-._!$&'()*+,;=", "tcp:h:80", "h", "/~x/-._!$&'()*+,;=" },
    { "http://h//double//slash", "tcp:h:80", "h", "//double//slash" },
    { "http://user:pass@h:81/x", "tcp:h:81", "h:81", "/x" },
    { "https://h", "tls:h:443", "h", "/" },
    { "https://h:443/a", "tls:h:443", "h", "/a" },
    { "https://h:80/a", "tls:h:80", "h:80", "/a" },
    { "http://h:443/a", "tcp:h:443", "h:443", "/a" },
    { "HTTPS://[::1]/", "tls:[::1]:443", "[::1]", "/" },
    { "http://my_host.internal./", "tcp:my_host.internal.:80",
      "my_host.internal.", "/" },
};

VT_CASE("basics", vt_tcase);

VT_TEST(good_urls_are_taken_apart, .loops = VT_COUNT_OF(good))
{
    const struct good *g = &good[_i];
    struct vetch__http_url url;
    char target[256];

    ck_assert_ptr_null(vetch__http_url_parse(&url, g->text));
    ck_assert_str_eq(url.endpoint, g->endpoint);
    ck_assert_uint_eq(url.endpoint_len, strlen(g->endpoint));
    ck_assert_uint_eq(url.host_len, strlen(g->host));
    ck_assert_int_eq(memcmp(url.host, g->host, url.host_len), 0);
    snprintf(target, sizeof(target), "%s%.*s", url.needs_slash ? "/" : "",
             (int)url.target_len, url.target);
    ck_assert_str_eq(target, g->target);
}

static const char *const bad[] = {
    "",
    "http:",
    "http:/h/",
    "http//h/",
    "//h/",
    "/path",
    "h/path",
    "ftp://h/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://",
    "http:///path",
    "http://?q",
    "http://#f",
    "http://:80/",
    "http://user@/",
    "http://user@:80/",
    /* ports */
    "http://h:0/",
    "http://h:65536/",
    "http://h:99999/",
    "http://h:000080/",
    "http://h:+80/",
    "http://h:-1/",
    "http://h:8a/",
    "http://h: 80/",
    "http://h:80:80/",
    "http://h:0x50/",
    /* who is the host? */
    "http://a@b@c/",
    "http://a\\@b/",
    "http://a\\b/",
    "http://good.example\\.evil.example/",
    "http://a%2eb/",
    "http://a%00.example/",
    "http://h /",
    "http:// h/",
    "http://h\t/",
    "http://h[1]/",
    "http://a,b/",
    "http://b\303\274cher.example/",
    /* addresses */
    "http://[::1/",
    "http://[]/",
    "http://[::1]x/",
    "http://[::1]80/",
    "http://[1.2.3.4]/",
    "http://[::g]/",
    "http://[v7.x]/",
    "http://[fe80::1%eth0]/",
    "http://[fe80::1%25]/",
    "http://[fe80::1%25a/b]/",
    "http://[fe80::1%25a%62]/",
    "http://[%25eth0]/",
    "http://[1:2:3:4:5:6:7:8:9]/",
    "http://::1/",
    /* paths, queries, fragments */
    "http://h/a b",
    "http://h/\x01",
    "http://h/\x7f",
    "http://h/\xc3\xa9",
    "http://h/a\\b",
    "http://h/%",
    "http://h/%2",
    "http://h/%zz",
    "http://h/%%20",
    "http://h/?a b",
    "http://h/#a b",
    "http://h/#a#b",
    "http://h/#%",
    "http://u%zz@h/",
    "http://u ser@h/",
    " http://h/",
};

VT_CASE("errors", vt_tcase);

VT_TEST(bad_urls_are_refused, .loops = VT_COUNT_OF(bad))
{
    struct vetch__http_url url;

    ck_assert_msg(vetch__http_url_parse(&url, bad[_i]) != NULL, "accepted: %s",
                  bad[_i]);
}

/* CVE-2018-12116, CVE-2019-12387, CVE-2022-31150: no line can be added to the
 * head by way of the URL. */
VT_TEST(no_control_byte_passes_anywhere)
{
    static const char *const frames[] = { "http://u%cu@h/", "http://h%ch/",
                                          "http://h:8%c0/", "http://h/%c",
                                          "http://h/?%c",   "http://h/#%c" };
    struct vetch__http_url url;
    char text[64];

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        for (int c = 1; c <= 255; c++) {
            if (c > 32 && c < 127)
                continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof(text), frames[i], c);
#pragma GCC diagnostic pop
            ck_assert_msg(vetch__http_url_parse(&url, text) != NULL,
                          "byte %d passed in %s", c, frames[i]);
        }
    }
}

static const char *
parse_host_of(size_t n)
{
    static char text[1024];
    struct vetch__http_url url;

    strcpy(text, "http://");
    memset(text + 7, 'a', n);
    strcpy(text + 7 + n, ":65535/");
    return vetch__http_url_parse(&url, text);
}

VT_CASE("limits", vt_tcase);

/* CVE-2024-24806, CVE-2023-38545: a host name is refused, not cut. */
VT_TEST(cve_2024_24806_a_long_host_is_refused_not_cut)
{
    ck_assert_ptr_null(parse_host_of(VETCH__URL_HOST_MAX));
    ck_assert_str_eq(parse_host_of(VETCH__URL_HOST_MAX + 1),
                     "host name too long");
    ck_assert_str_eq(parse_host_of(900), "host name too long");
}

/* A name beyond ASCII is not turned into another one here: whoever has one
 * gives its A-label. */
VT_TEST(cve_2021_22918_hosts_beyond_ascii_are_refused)
{
    struct vetch__http_url url;

    ck_assert_ptr_nonnull(vetch__http_url_parse(&url, "http://b\xc3\xbc/"));
    ck_assert_ptr_nonnull(
        vetch__http_url_parse(&url, "http://\xff\xff\xff\xff/"));
    ck_assert_ptr_nonnull(vetch__http_url_parse(&url, "http://b%C3%BC/"));
    ck_assert_ptr_null(vetch__http_url_parse(&url, "http://xn--b-xga/"));
}

/* What looks like a second URL is a path, and goes to the first one's host. */
VT_TEST(cve_2022_35949_a_path_never_names_the_host)
{
    static const char *const urls[] = {
        "http://h//evil.example/x",
        "http://h/http://evil.example/x",
        "http://h/\x2f/evil.example",
        "http://h?//evil.example@evil.example",
    };
    struct vetch__http_url url;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        ck_assert_ptr_null(vetch__http_url_parse(&url, urls[i]));
        ck_assert_str_eq(url.endpoint, "tcp:h:80");
        ck_assert_ptr_eq(url.target, urls[i] + strlen("http://h"));
    }
    ck_assert_ptr_nonnull(
        vetch__http_url_parse(&url, "http://h\\@evil.example/"));
    ck_assert_ptr_nonnull(vetch__http_url_parse(&url, "//evil.example/x"));
}

VT_TEST(the_length_is_bounded)
{
    static char text[VETCH__URL_MAX + 2];
    struct vetch__http_url url;

    memset(text, 'a', VETCH__URL_MAX + 1);
    memcpy(text, "http://h/", 9);
    ck_assert_str_eq(vetch__http_url_parse(&url, text),
                     "longer than 8192 bytes");
    text[VETCH__URL_MAX] = '\0';
    ck_assert_ptr_null(vetch__http_url_parse(&url, text));
    ck_assert_uint_eq(url.target_len, VETCH__URL_MAX - 8);
}

VT_CASE("basics", vt_tcase);

/* Browsers and curl take these; rest-client 476, joi 1461, cpprestsdk 1272,
 * gatling 1981. */
VT_TEST(bytes_that_browsers_leave_bare_are_encoded)
{
    static const char url_text[] =
        "http://h/a|b\"<[{^`}]>?ids[]=1&f=a|b\\&j={\"a\":1}#<x>";
    static const char want[] = "/a%7Cb%22%3C%5B%7B%5E%60%7D%5D%3E"
                               "?ids%5B%5D=1&f=a%7Cb%5C&j=%7B%22a%22:1%7D";
    struct vetch__http_url url;
    char target[128];
    char *end;

    ck_assert_ptr_null(vetch__http_url_parse(&url, url_text));
    end = vetch__url_put_encoded(target, url.target, url.target_len);
    *end = '\0';
    ck_assert_str_eq(target, want);
    ck_assert_uint_eq((size_t)(end - target), url.target_len + 2 * url.n_raw);
    /* In a path it could be meant for a slash. */
    ck_assert_ptr_nonnull(vetch__http_url_parse(&url, "http://h/a\\b"));
}

/* RFC 6874: it chooses the interface, and is nobody else's business. */
VT_TEST(zones_are_for_the_endpoint_only)
{
    static const char *const urls[] = { "http://[fe80::1%25eth0]/",
                                        "http://[FE80:0::1%25eth-0.1_~]:81/" };
    static const char *const endpoints[] = { "tcp:[fe80::1%eth0]:80",
                                             "tcp:[fe80::1%eth-0.1_~]:81" };
    static const char *const hosts[] = { "[fe80::1]", "[fe80::1]:81" };

    for (int i = 0; i < 2; i++) {
        struct vetch__http_url url;
        char host[300];

        ck_assert_ptr_null(vetch__http_url_parse(&url, urls[i]));
        ck_assert_str_eq(url.endpoint, endpoints[i]);
        *vetch__http_url_put_host(host, url.host, url.host_len) = '\0';
        ck_assert_str_eq(host, hosts[i]);
    }
}

VT_TEST(what_is_shown_holds_no_credentials)
{
    struct vetch__http_url url;

    ck_assert_ptr_null(
        vetch__http_url_parse(&url, "http://me:secret@h:81/x?y#z"));
    ck_assert_uint_eq(url.shown_len, strlen("h:81/x?y"));
    ck_assert_int_eq(memcmp(url.shown, "h:81/x?y", url.shown_len), 0);
}

VT_TEST(credentials_are_decoded_on_request)
{
    struct vetch__http_url url;
    char text[32];
    size_t len;

    ck_assert_ptr_null(vetch__http_url_parse(&url, "http://a%3Ab:p%40%2f@h/"));
    memcpy(text, url.userinfo, url.userinfo_len);
    len = vetch__url_decode(text, url.userinfo_len);
    ck_assert_uint_eq(len, 7);
    ck_assert_int_eq(memcmp(text, "a:b:p@/", 7), 0);
}

VT_TEST(no_credentials_are_not_empty_credentials)
{
    struct vetch__http_url url;

    ck_assert_ptr_null(vetch__http_url_parse(&url, "http://h/"));
    ck_assert_ptr_null(url.userinfo);
    ck_assert_ptr_null(vetch__http_url_parse(&url, "http://@h/"));
    ck_assert_ptr_nonnull(url.userinfo);
    ck_assert_uint_eq(url.userinfo_len, 0);
}
