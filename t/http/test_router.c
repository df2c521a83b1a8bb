/* Routes and paths. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/testing.h>

#include "http/server/router-private.h"
#include "support/harness.h"

static int
add(struct vetch__router *r, const char *method, const char *pattern, int mark)
{
    struct vetch__route route = { .ctx = (void *)(intptr_t)mark };

    return vetch__router_add(r, method, pattern, &route);
}

/* What was found, as "mark:name=value,name=value", "405" or "404". */
static const char *
find(const struct vetch__router *r, const char *method, const char *path)
{
    static char text[1024];
    struct vetch__match m;
    const char *name;
    size_t i, n;

    vetch__router_find(r,
                       (uint8_t)vetch__http_method_find(method, strlen(method)),
                       path, strlen(path), VETCH__PATH_PLAIN, &m);
    if (m.route == NULL)
        return m.allowed != 0 ? "405" : "404";
    n = (size_t)sprintf(text, "%d:", (int)(intptr_t)m.route->ctx);
    ck_assert_uint_eq(m.n_params, m.route->n_params);
    name = m.route->names;
    for (i = 0; i < m.n_params; i++) {
        n += (size_t)sprintf(text + n, "%s%s=%.*s", i > 0 ? "," : "", name,
                             (int)m.params[i].len, path + m.params[i].at);
        ck_assert_int_eq(vetch__route_param(m.route, name), (int)i);
        name += strlen(name) + 1;
    }
    return text;
}

VT_CASE("basics", vt_tcase);

VT_TEST(literal_paths_are_found_exactly)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/", 1), 0);
    ck_assert_int_eq(add(&r, "GET", "/a", 2), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/", 3), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/b", 4), 0);
    ck_assert_int_eq(add(&r, "GET", "/ab", 5), 0);
    ck_assert_str_eq(find(&r, "GET", "/"), "1:");
    ck_assert_str_eq(find(&r, "GET", "/a"), "2:");
    ck_assert_str_eq(find(&r, "GET", "/a/"), "3:");
    ck_assert_str_eq(find(&r, "GET", "/a/b"), "4:");
    ck_assert_str_eq(find(&r, "GET", "/ab"), "5:");
    ck_assert_str_eq(find(&r, "GET", "/A"), "404");
    ck_assert_str_eq(find(&r, "GET", "/a/b/"), "404");
    ck_assert_str_eq(find(&r, "GET", "/abc"), "404");
    vetch__router_done(&r);
}

VT_TEST(many_literals_are_found)
{
    struct vetch__router r = { NULL };
    char path[32], want[32];
    int i;

    for (i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/%d", i * 37 % 200);
        ck_assert_int_eq(add(&r, "GET", path, i * 37 % 200), 0);
    }
    for (i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        snprintf(want, sizeof(want), "%d:", i);
        ck_assert_str_eq(find(&r, "GET", path), want);
    }
    ck_assert_str_eq(find(&r, "GET", "/200"), "404");
    vetch__router_done(&r);
}

VT_TEST(parameters_match_one_segment)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/u/:id", 1), 0);
    ck_assert_int_eq(add(&r, "GET", "/u/:id/f/:file", 2), 0);
    ck_assert_int_eq(add(&r, "POST", "/u/:name", 3), 0);
    ck_assert_str_eq(find(&r, "GET", "/u/7"), "1:id=7");
    ck_assert_str_eq(find(&r, "GET", "/u/7/f/x.y"), "2:id=7,file=x.y");
    ck_assert_str_eq(find(&r, "POST", "/u/7"), "3:name=7");
    ck_assert_str_eq(find(&r, "GET", "/u/"), "404");
    ck_assert_str_eq(find(&r, "GET", "/u/7/"), "404");
    ck_assert_str_eq(find(&r, "GET", "/u/7/g/x"), "404");
    vetch__router_done(&r);
}

VT_TEST(a_star_matches_the_rest)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/f/*path", 1), 0);
    ck_assert_str_eq(find(&r, "GET", "/f/"), "1:path=");
    ck_assert_str_eq(find(&r, "GET", "/f/a"), "1:path=a");
    ck_assert_str_eq(find(&r, "GET", "/f/a/b/"), "1:path=a/b/");
    ck_assert_str_eq(find(&r, "GET", "/f"), "404");
    ck_assert_str_eq(find(&r, "GET", "*"), "404");
    ck_assert_int_eq(add(&r, "*", "/*any", 2), 0);
    ck_assert_str_eq(find(&r, "OPTIONS", "*"), "2:any=*");
    ck_assert_str_eq(find(&r, "CONNECT", "a:443"), "2:any=a:443");
    ck_assert_str_eq(find(&r, "PUT", "/"), "2:any=");
    vetch__router_done(&r);
}

VT_TEST(the_more_exact_route_wins)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/*rest", 1), 0);
    ck_assert_int_eq(add(&r, "GET", "/:x/b", 2), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/:y", 3), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/c/d", 4), 0);
    ck_assert_str_eq(find(&r, "GET", "/a/b"), "3:y=b");
    ck_assert_str_eq(find(&r, "GET", "/z/b"), "2:x=z");
    ck_assert_str_eq(find(&r, "GET", "/z/c"), "1:rest=z/c");
    /* A way that leads nowhere is left again. */
    ck_assert_str_eq(find(&r, "GET", "/a/c/e"), "1:rest=a/c/e");
    ck_assert_str_eq(find(&r, "GET", "/a/c"), "3:y=c");
    vetch__router_done(&r);
}

VT_TEST(methods_are_told_apart)
{
    struct vetch__router r = { NULL };
    struct vetch__match m;

    ck_assert_int_eq(add(&r, "GET", "/a", 1), 0);
    ck_assert_int_eq(add(&r, "POST", "/a", 2), 0);
    ck_assert_int_eq(add(&r, "*", "/b", 3), 0);
    ck_assert_int_eq(add(&r, "PUT", "/b", 4), 0);
    ck_assert_str_eq(find(&r, "GET", "/a"), "1:");
    ck_assert_str_eq(find(&r, "HEAD", "/a"), "1:");
    ck_assert_str_eq(find(&r, "POST", "/a"), "2:");
    ck_assert_str_eq(find(&r, "PUT", "/a"), "405");
    ck_assert_str_eq(find(&r, "PUT", "/b"), "4:");
    ck_assert_str_eq(find(&r, "DELETE", "/b"), "3:");
    ck_assert_str_eq(find(&r, "PUT", "/c"), "404");
    vetch__router_find(&r, VETCH__HTTP_PUT, "/a", 2, VETCH__PATH_PLAIN, &m);
    ck_assert_uint_eq(m.allowed,
                      1u << VETCH__HTTP_GET | 1u << VETCH__HTTP_HEAD |
                          1u << VETCH__HTTP_OPTIONS | 1u << VETCH__HTTP_POST);
    ck_assert_int_eq(add(&r, "HEAD", "/a", 5), 0);
    ck_assert_str_eq(find(&r, "HEAD", "/a"), "5:");
    vetch__router_done(&r);
}

VT_TEST(a_method_may_be_found_on_a_less_exact_route)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/a", 1), 0);
    ck_assert_int_eq(add(&r, "POST", "/:x", 2), 0);
    ck_assert_str_eq(find(&r, "POST", "/a"), "2:x=a");
    ck_assert_str_eq(find(&r, "PUT", "/a"), "405");
    vetch__router_done(&r);
}

VT_CASE("errors", vt_tcase);

VT_TEST(without_routes_nothing_is_found)
{
    struct vetch__router r = { NULL };

    ck_assert_str_eq(find(&r, "GET", "/"), "404");
    ck_assert_str_eq(find(&r, "OPTIONS", "*"), "404");
    vetch__router_done(&r);
}

VT_TEST(malformed_patterns_are_refused)
{
    static const char *const patterns[] = {
        "",     "a",     "//",   "/a//b", "/.",    "/../a", "/:",
        "/a/*", "/*x/b", "/*x/", "/a\nb", "/\x7f", "/a/./", "/:a//b",
    };
    struct vetch__router r = { NULL };
    char deep[256] = "";
    size_t i;

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        errno = 0;
        ck_assert_msg(add(&r, "GET", patterns[i], 1) == -1, "%s", patterns[i]);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_int_eq(add(&r, "BREW", "/", 1), -1);
    ck_assert_int_eq(errno, EINVAL);
    for (i = 0; i < VETCH__ROUTE_SEGMENTS; i++)
        strcat(deep, "/a");
    ck_assert_int_eq(add(&r, "GET", deep, 1), 0);
    strcat(deep, "/a");
    ck_assert_int_eq(add(&r, "GET", deep, 1), -1);
    deep[0] = '\0';
    for (i = 0; i < VETCH__ROUTE_PARAMS; i++)
        strcat(deep, "/:a");
    ck_assert_int_eq(add(&r, "GET", deep, 1), 0);
    strcat(deep, "/:a");
    ck_assert_int_eq(add(&r, "GET", deep, 1), -1);
    vetch__router_done(&r);
}

VT_TEST(a_route_is_added_once)
{
    struct vetch__router r = { NULL };

    ck_assert_int_eq(add(&r, "GET", "/a/:b", 1), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/:c", 1), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(add(&r, "GET", "/a/*b", 1), 0);
    ck_assert_int_eq(add(&r, "GET", "/a/*c", 1), -1);
    ck_assert_int_eq(errno, EEXIST);
    vetch__router_done(&r);
}

static unsigned freed;

static void
count_free(void *ctx)
{
    (void)ctx;
    freed++;
}

VT_TEST(the_context_is_freed_once_or_left_alone)
{
    struct vetch__router r = { NULL };
    struct vetch__route route = { .free_ctx = count_free };

    freed = 0;
    ck_assert_int_eq(vetch__router_add(&r, "GET", "/a", &route), 0);
    ck_assert_int_eq(vetch__router_add(&r, "GET", "/a", &route), -1);
    ck_assert_int_eq(vetch__router_add(&r, "GET", "a", &route), -1);
    ck_assert_uint_eq(freed, 0);
    vetch__router_done(&r);
    ck_assert_uint_eq(freed, 1);
}

VT_TEST(adding_survives_failing_allocations)
{
    uint64_t n, failures = 0;

    for (n = 1; n < 100; n++) {
        struct vetch__router r = { NULL };
        int result;

        vetch_testing_fail_allocation(n, false);
        result = add(&r, "GET", "/a/:b/c/*d", 1);
        vetch_testing_fail_allocation(0, false);
        if (result < 0)
            failures++;
        else
            ck_assert_str_eq(find(&r, "GET", "/a/1/c/2/3"), "1:b=1,d=2/3");
        vetch__router_done(&r);
        if (result == 0)
            break;
    }
    ck_assert_uint_gt(failures, 3);
    ck_assert_uint_lt(n, 100);
}

/* CVE-2021-32640 class: no path is slow to look up. */
VT_TEST(ambiguous_routes_are_searched_in_linear_time)
{
    struct vetch__router r = { NULL };
    char pattern[256] = "", path[16384] = "";
    int i;

    for (i = 0; i < 15; i++) {
        strcat(pattern, "/:x");
        ck_assert_int_eq(add(&r, "GET", pattern, 1), 0);
    }
    for (i = 0; i < 8000; i++)
        strcpy(path + 2 * i, "/a");
    for (i = 0; i < 10000; i++)
        ck_assert_str_eq(find(&r, "GET", path), "404");
    vetch__router_done(&r);
}

VT_CASE("basics", vt_tcase);

VT_TEST(paths_are_decoded_and_normalised)
{
    static const char *const rows[][2] = {
        { "/", "/" },
        { "/a", "/a" },
        { "/a/", "/a/" },
        { "//", "//" }, /* empty segments are data */
        { "///a//b//", "///a//b//" },
        { "/a/..//b", "//b" },
        { "/a//../b", "/a/b" },
        { "/.", "/" },
        { "/./a", "/a" },
        { "/a/.", "/a/" },
        { "/a/..", "/" },
        { "/a/b/..", "/a/" },
        { "/a/b/../c", "/a/c" },
        { "/a/./b/.././c/", "/a/c/" },
        { "/...", "/..." },
        { "/.a/..b", "/.a/..b" },
        { "/%61%2Fb", "/a|b" }, /* where no segment ends */
        { "/a%2F..%2fb", "/a|..|b" },
        { "/..%2Fa", "/..|a" },
        { "/%2F", "/|" },
        { "/x/%2e./%2F%2F", "/||" },
        { "/a%20b%25", "/a b%" },
        { "/a/%2e%2E/b", "/b" },
        { "/%2e", "/" },
        { "/caf%C3%A9", "/caf\xc3\xa9" },
        { "/a+b", "/a+b" },
        { "/a\\..\\b", "/a\\..\\b" },
        { "/%252e%252e/", "/%2e%2e/" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char to[64];
        bool slash, bar = strchr(rows[i][1], '|') != NULL;
        size_t len =
            vetch__path_decode(rows[i][0], strlen(rows[i][0]), to, &slash);

        for (size_t j = 0; j < len; j++)
            if (to[j] == '/')
                to[j] = '|';
        vetch__path_show(to, len);
        ck_assert_msg(len == strlen(rows[i][1]) &&
                          memcmp(to, rows[i][1], len) == 0 && slash == bar,
                      "%s gave %.*s", rows[i][0], (int)len, to);
    }
}

VT_CASE("errors", vt_tcase);

VT_TEST(malformed_paths_are_refused)
{
    static const char *const rows[] = {
        "",          "a",          "/..",       "/../a", "/a/../..",
        "/%2e%2e/a", "/a/../../b", "/%",        "/%2",   "/%zz",
        "/a%0",      "/%00",       "/a%00.gif", "%2fa%", "/./..",
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char to[64];
        bool slash;

        ck_assert_msg(
            vetch__path_decode(rows[i], strlen(rows[i]), to, &slash) == 0, "%s",
            rows[i]);
    }
}
