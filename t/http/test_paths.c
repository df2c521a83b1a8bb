/* What a handler is told of the path that was asked for: http-proxy 959, 775,
 * go-restful 402 (double slashes); httprouter 284, find-my-way 348, bottle 450
 * (an encoded slash taken for a separator). */

#include <stdio.h>

#include "support/http_server_kit.h"

/* "NAME of PATH (TARGET): PARAMETER". */
static vetch_promise *
show(vetch_http_request *r, void *name)
{
    char text[600];
    const char *value = vetch_http_request_param(r, name);
    int len = snprintf(text, sizeof(text), "%s of %s (%s): %s", (char *)name,
                       vetch_http_request_path(r), vetch_http_request_target(r),
                       value != NULL ? value : "-");

    vetch_http_reply(r, 200, NULL, text, (size_t)len);
    return NULL;
}

static void
start(void)
{
    static char admin[] = "admin", name[] = "name", url[] = "url";

    hsk_start(NULL);
    hsk_route("GET", "/admin", show, admin);
    hsk_route("GET", "/user/:name", show, name);
    hsk_route("GET", "/fetch/*url", show, url);
}

struct row {
    const char *target, *text; /* NULL: 404 */
};

static void
expect(const struct row *rows, size_t n)
{
    struct hsk_client t;
    size_t i;

    start();
    hsk_connect(&t);
    for (i = 0; i < n; i++) {
        unsigned status = rows[i].text != NULL ? 200 : 404;

        hsk_get(&t, rows[i].target);
        ck_assert_msg(hsk_hear(&t) == status, "%s gave %u", rows[i].target,
                      t.status);
        if (rows[i].text != NULL)
            ck_assert_msg(hsk_body_is(&t, rows[i].text), "%s gave %.*s",
                          rows[i].target, (int)t.n_body, t.body);
    }
    hsk_hang_up(&t);
    hsk_end();
}

#define EXPECT(...)                                                            \
    do {                                                                       \
        static const struct row rows[] = { __VA_ARGS__ };                      \
                                                                               \
        expect(rows, sizeof(rows) / sizeof(rows[0]));                          \
    } while (0)

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(an_encoded_slash_is_data)
{
    EXPECT({ "/user/a%2Fb", "name of /user/a/b (/user/a%2Fb): a/b" },
           { "/user/%2f", "name of /user// (/user/%2f): /" },
           { "/user/a/b", NULL }, { "/user%2Fa", NULL },
           { "/%61dmin%2f", NULL },
           { "/%61dmin", "admin of /admin (/%61dmin): -" });
}

VT_TEST(an_encoded_slash_never_climbs)
{
    EXPECT({ "/user/..%2Fadmin",
             "name of /user/../admin (/user/..%2Fadmin): ../admin" },
           { "/user/%2e%2e%2fadmin",
             "name of /user/../admin (/user/%2e%2e%2fadmin): ../admin" },
           { "/..%2Fadmin", NULL }, { "/x%2F..%2Fadmin", NULL });
}

VT_TEST(dot_segments_climb_however_they_are_written)
{
    EXPECT({ "/user/../admin", "admin of /admin (/user/../admin): -" },
           { "/user/%2E./admin", "admin of /admin (/user/%2E./admin): -" },
           { "/user/x/%2e%2e/y", "name of /user/y (/user/x/%2e%2e/y): y" });
}

VT_TEST(empty_segments_are_kept)
{
    EXPECT({ "/fetch/http://h/x",
             "url of /fetch/http://h/x (/fetch/http://h/x): http://h/x" },
           { "/fetch/http%3A%2F%2Fh%2Fx", "url of /fetch/http://h/x "
                                          "(/fetch/http%3A%2F%2Fh%2Fx): "
                                          "http://h/x" },
           { "/fetch//a//b/", "url of /fetch//a//b/ (/fetch//a//b/): /a//b/" },
           { "//admin", NULL }, { "/admin//", NULL }, { "/user//", NULL });
}

VT_TEST(the_rest_may_be_empty_but_a_segment_may_not)
{
    EXPECT({ "/fetch/", "url of /fetch/ (/fetch/): " }, { "/fetch", NULL },
           { "/user/", NULL });
}

VT_TEST(the_target_is_told_as_it_came)
{
    EXPECT({ "/user/a?b=c/../d&e=%2F",
             "name of /user/a (/user/a?b=c/../d&e=%2F): a" },
           { "http://a/user/./x%41?q",
             "name of /user/xA (http://a/user/./x%41?q): xA" });
}

/* qore 4361, cpprestsdk 625: curl and browsers send them as they are. */
VT_TEST(bytes_that_clients_do_not_encode_are_accepted)
{
    EXPECT({ "/user/a?j={\"a\":[1]}", "name of /user/a "
                                      "(/user/a?j={\"a\":[1]}): a" },
           { "/user/<a>|^`\\?<b>|^`\\",
             "name of /user/<a>|^`\\ "
             "(/user/<a>|^`\\?<b>|^`\\): <a>|^`\\" });
}

VT_TEST(a_nul_never_matches)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_get(&t, "/user/a%00b");
    ck_assert_uint_eq(hsk_hear(&t), 400);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}
