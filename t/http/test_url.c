/* URLs as objects: parts, joining, comparing, components. */

#include "support/harness.h"

#include <errno.h>
#include <string.h>

VT_CASE("urls", vt_tcase);

static vetch_url *
parse(const char *text)
{
    const char *why = NULL;
    vetch_url *u = vetch_url_parse(text, &why);

    ck_assert_msg(u != NULL, "%s: %s", text, why);
    return u;
}

VT_TEST(a_url_is_taken_apart)
{
    vetch_url *u = parse("HTTP://me:pw@Example.ORG:81/a/b?c=d#e");

    ck_assert_str_eq(vetch_url_text(u),
                     "http://me:pw@example.org:81/a/b?c=d#e");
    ck_assert_str_eq(vetch_url_scheme(u), "http");
    ck_assert_str_eq(vetch_url_userinfo(u), "me:pw");
    ck_assert_str_eq(vetch_url_host(u), "example.org");
    ck_assert_uint_eq(vetch_url_port(u), 81);
    ck_assert_str_eq(vetch_url_path(u), "/a/b");
    ck_assert_str_eq(vetch_url_query(u), "c=d");
    ck_assert_str_eq(vetch_url_fragment(u), "e");
    vetch_unref(u);
    u = parse("mailto:a@b");
    ck_assert_str_eq(vetch_url_path(u), "a@b");
    ck_assert_ptr_null(vetch_url_host(u));
    ck_assert_ptr_null(vetch_url_query(u));
    ck_assert_uint_eq(vetch_url_port(u), 0);
    vetch_url_unref(u);
    u = parse("https://[fe80::1%25eth0]/ids[]?j={\"a\"}");
    ck_assert_str_eq(vetch_url_text(u),
                     "https://[fe80::1%25eth0]/ids%5B%5D?j=%7B%22a%22%7D");
    ck_assert_uint_eq(vetch_url_port(u), 443);
    vetch_url_unref(u);
}

static const char *const bad[] = {
    "",
    "/a",
    "//h/",
    "http:",
    "http:///a",
    "http://h b",
    "http://h/\n",
    "http://[::1",
    "http://h:x/",
    "http://h:65536/",
    "http://h:0/",
    "s://h:0/",
    "http://[::1%eth0]/",
    "http://[::1%25]/",
    "http://h/%z",
    "http://a@b@c/",
    "1http://h/",
    "http://h/a\\b",
};

VT_TEST(malformed_urls_are_refused, .loops = VT_COUNT_OF(bad))
{
    const char *why = NULL;

    errno = 0;
    ck_assert_ptr_null(vetch_url_parse(bad[_i], &why));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_nonnull(why);
}

/* RFC 3986, section 5.4: all 23 normal examples and 19 abnormal ones. */
static const struct {
    const char *reference, *want;
} joined[] = {
    { "g:h", "g:h" },
    { "g", "http://a/b/c/g" },
    { "./g", "http://a/b/c/g" },
    { "g/", "http://a/b/c/g/" },
    { "/g", "http://a/g" },
    { "//g", "http://g" },
    { "?y", "http://a/b/c/d;p?y" },
    { "g?y", "http://a/b/c/g?y" },
    { "#s", "http://a/b/c/d;p?q#s" },
    { "g#s", "http://a/b/c/g#s" },
    { "g?y#s", "http://a/b/c/g?y#s" },
    { ";x", "http://a/b/c/;x" },
    { "g;x", "http://a/b/c/g;x" },
    { "g;x?y#s", "http://a/b/c/g;x?y#s" },
    { "", "http://a/b/c/d;p?q" },
    { ".", "http://a/b/c/" },
    { "./", "http://a/b/c/" },
    { "..", "http://a/b/" },
    { "../", "http://a/b/" },
    { "../g", "http://a/b/g" },
    { "../..", "http://a/" },
    { "../../", "http://a/" },
    { "../../g", "http://a/g" },
    /* section 5.4.2 */
    { "../../../g", "http://a/g" },
    { "../../../../g", "http://a/g" },
    { "/./g", "http://a/g" },
    { "/../g", "http://a/g" },
    { "g.", "http://a/b/c/g." },
    { ".g", "http://a/b/c/.g" },
    { "g..", "http://a/b/c/g.." },
    { "..g", "http://a/b/c/..g" },
    { "./../g", "http://a/b/g" },
    { "./g/.", "http://a/b/c/g/" },
    { "g/./h", "http://a/b/c/g/h" },
    { "g/../h", "http://a/b/c/h" },
    { "g;x=1/./y", "http://a/b/c/g;x=1/y" },
    { "g;x=1/../y", "http://a/b/c/y" },
    { "g?y/./x", "http://a/b/c/g?y/./x" },
    { "g?y/../x", "http://a/b/c/g?y/../x" },
    { "g#s/./x", "http://a/b/c/g#s/./x" },
    { "g#s/../x", "http://a/b/c/g#s/../x" },
    { "http:g", NULL }, /* strictly a URL of its own, and one without a host */
};

VT_TEST(references_mean_what_rfc_3986_says, .loops = VT_COUNT_OF(joined))
{
    vetch_url *base = parse("http://a/b/c/d;p?q");
    const char *why = NULL;
    vetch_url *u = vetch_url_join(base, joined[_i].reference, &why);

    ck_assert_uint_eq(VT_COUNT_OF(joined), 23 + 19);
    if (joined[_i].want == NULL) {
        ck_assert_ptr_null(u);
        ck_assert_str_eq(why, "no host");
    } else {
        ck_assert_ptr_nonnull(u);
        ck_assert_str_eq(vetch_url_text(u), joined[_i].want);
    }
    vetch_url_unref(u);
    vetch_url_unref(base);
}

static void
check_join(const char *base_text, const char *reference, const char *want)
{
    vetch_url *base = parse(base_text);
    vetch_url *u = vetch_url_join(base, reference, NULL);

    ck_assert_ptr_nonnull(u);
    ck_assert_str_eq(vetch_url_text(u), want);
    vetch_url_unref(u);
    vetch_url_unref(base);
}

/* The last example of section 5.4.2, where no host is needed. */
VT_TEST(a_reference_with_the_same_scheme_is_absolute)
{
    check_join("s://a/b/c/d;p?q", "s:g", "s:g");
}

VT_TEST(paths_without_a_root_stay_so)
{
    check_join("s:a/b", "../../../c", "s:/c");
    check_join("s:a", "./c", "s:c");
    check_join("s:a", "../c", "s:c");
    check_join("s:a", "..", "s:");
}

/* `s://h` would be a host. */
VT_TEST(a_path_never_becomes_a_host)
{
    check_join("s:/a", "/..//h", "s:/.//h");
    check_join("s:/a", "/.//h", "s:/.//h");
}

VT_TEST(the_zone_of_an_address_keeps_its_case)
{
    vetch_url *u = parse("http://[FE80::1%25Eth0]/");

    ck_assert_str_eq(vetch_url_text(u), "http://[fe80::1%25Eth0]/");
    vetch_url_unref(u);
}

VT_TEST(what_was_parsed_can_be_parsed_again)
{
    static char text[8193];
    const char *why = NULL;
    vetch_url *u, *again;

    memset(text, '"', 8192);
    memcpy(text, "http://h/", 9);
    ck_assert_ptr_null(vetch_url_parse(text, &why)); /* long once encoded */
    ck_assert_str_eq(why, "longer than 8192 bytes");
    text[9 + (8192 - 9) / 3] = '\0';
    u = parse(text);
    again = parse(vetch_url_text(u));
    ck_assert_str_eq(vetch_url_text(again), vetch_url_text(u));
    vetch_url_unref(u);
    vetch_url_unref(again);
}

static const struct {
    const char *a, *b;
    bool equal;
} pairs[] = {
    { "http://h", "HTTP://H:80/", true },
    { "http://h/%7ea/../b", "http://h/b", true },
    { "http://h/%7ea", "http://h/~a", true },
    { "http://h/%2f", "http://h/%2F", true },
    { "http://h/a%2Fb", "http://h/a/b", false },
    { "http://h/?", "http://h/", false },
    { "http://h:81/", "http://h/", false },
    { "https://h/", "http://h/", false },
    { "http://h/a", "http://h/A", false },
    { "http://h/?a+b", "http://h/?a#b-", false },
    { "http://h/?a#b", "http://h/?a%23b", false },
    { "http://h:/", "http://h/", true },
    { "s://%41/", "s://a/", true },
};

VT_TEST(what_names_the_same_is_equal, .loops = VT_COUNT_OF(pairs))
{
    vetch_url *a = parse(pairs[_i].a), *b = parse(pairs[_i].b);

    ck_assert_int_eq(vetch_url_equal(a, b), pairs[_i].equal);
    vetch_url_unref(a);
    vetch_url_unref(b);
}

VT_TEST(components_go_through_unharmed)
{
    static const char raw[] = "a/b?c=d&e f%\xc3\xa9~-._";
    vetch_buffer *coded = vetch_buffer_new(), *plain = vetch_buffer_new();

    ck_assert_int_eq(vetch_url_encode(coded, raw, sizeof(raw) - 1), 0);
    ck_assert_uint_eq(vetch_buffer_len(coded), 34);
    ck_assert_mem_eq(vetch_buffer_data(coded),
                     "a%2Fb%3Fc%3Dd%26e%20f%25%C3%A9~-._", 34);
    ck_assert_int_eq(vetch_url_decode(plain, vetch_buffer_data(coded),
                                      vetch_buffer_len(coded)),
                     0);
    ck_assert_uint_eq(vetch_buffer_len(plain), sizeof(raw) - 1);
    ck_assert_mem_eq(vetch_buffer_data(plain), raw, sizeof(raw) - 1);
    ck_assert_int_eq(vetch_url_decode(plain, "%2", 2), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_buffer_free(coded);
    vetch_buffer_free(plain);
}
