/* The parts of the chaos proxy that do no I/O: chance, settings, and heads. */
#include <stdlib.h>
#include <string.h>

#include "../demos/chaos/faults.h"
#include "../demos/chaos/message.h"
#include "support/harness.h"

static struct faults
with(enum fault which, const char *setting)
{
    struct faults f;

    faults_init(&f, true, 1);
    ck_assert_ptr_null(faults_set(&f, which, setting));
    return f;
}

VT_CASE("chance", vt_tcase);

VT_TEST(nothing_goes_wrong_unless_it_is_set)
{
    struct faults f;

    faults_init(&f, true, 1);
    for (int unit = 0; unit < 1000; unit++) {
        struct plan plan = faults_next(&f);

        for (int i = 0; i < N_FAULTS; i++)
            ck_assert(!plan.strikes[i]);
        ck_assert(plan.delay_seconds == 0 && plan.bytes_per_second == 0);
        ck_assert(plan.truncate_bytes == UINT64_MAX);
    }
}

VT_TEST(a_hundred_percent_is_always, .loops = N_FAULTS)
{
    struct faults f = with((enum fault)_i, "100");

    for (int unit = 0; unit < 1000; unit++)
        ck_assert(faults_next(&f).strikes[_i]);
    ck_assert_uint_eq(f.n_struck[_i], 1000);
}

VT_TEST(a_percentage_is_kept, .loops = 20)
{
    struct faults f = with(FAULT_RESET, "30");

    faults_seed(&f, (uint64_t)_i);
    for (int unit = 0; unit < 10000; unit++)
        faults_next(&f);
    ck_assert_uint_gt(f.n_struck[FAULT_RESET], 2750);
    ck_assert_uint_lt(f.n_struck[FAULT_RESET], 3250);
}

VT_TEST(a_seed_repeats_a_run)
{
    struct faults f = with(FAULT_RESET, "30");
    bool first[200], differs = false;

    for (int i = 0; i < 200; i++)
        first[i] = faults_next(&f).strikes[FAULT_RESET];
    faults_seed(&f, 1);
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(faults_next(&f).strikes[FAULT_RESET], first[i]);
    faults_seed(&f, 2);
    for (int i = 0; i < 200; i++)
        differs |= faults_next(&f).strikes[FAULT_RESET] != first[i];
    ck_assert(differs);
}

VT_TEST(faults_draw_for_themselves)
{
    struct faults f = with(FAULT_DELAY, "50"), g = f;
    int both = 0;

    ck_assert_ptr_null(faults_set(&g, FAULT_TRUNCATE, "50"));
    for (int i = 0; i < 10000; i++) {
        struct plan plan = faults_next(&g);

        ck_assert_int_eq(plan.strikes[FAULT_DELAY],
                         faults_next(&f).strikes[FAULT_DELAY]);
        both += plan.strikes[FAULT_DELAY] && plan.strikes[FAULT_TRUNCATE];
    }
    ck_assert_int_gt(both, 2250);
    ck_assert_int_lt(both, 2750);
}

VT_TEST(one_fault_takes_the_place_of_a_response)
{
    struct faults f = with(FAULT_RESET, "100");
    struct plan plan;

    ck_assert_ptr_null(faults_set(&f, FAULT_HANG, "100"));
    ck_assert_ptr_null(faults_set(&f, FAULT_TRUNCATE, "100"));
    ck_assert_ptr_null(faults_set(&f, FAULT_DELAY, "100:2"));
    plan = faults_next(&f);
    ck_assert(plan.strikes[FAULT_RESET] && plan.strikes[FAULT_DELAY]);
    ck_assert(!plan.strikes[FAULT_HANG] && !plan.strikes[FAULT_TRUNCATE]);
    ck_assert(plan.delay_seconds == 2);
}

VT_TEST(jitter_is_spread)
{
    struct faults f = with(FAULT_JITTER, "100:2");
    double sum = 0;

    for (int i = 0; i < 1000; i++) {
        double seconds = faults_next(&f).delay_seconds;

        ck_assert(seconds >= 0 && seconds < 2);
        sum += seconds;
    }
    ck_assert(sum > 900 && sum < 1100);
}

VT_TEST(noise_never_ends_a_line)
{
    uint64_t noise = 7;

    for (int i = 0; i < 100000; i++)
        ck_assert_int_ne(next_noise(&noise), '\n');
}

VT_CASE("settings", vt_tcase);

VT_TEST(a_setting_has_a_percentage_and_may_have_a_value)
{
    struct faults f = with(FAULT_DELAY, "12.5:0.25");

    ck_assert(f.settings[FAULT_DELAY].percent == 12.5);
    ck_assert(f.settings[FAULT_DELAY].value == 0.25);
    ck_assert_ptr_null(faults_set(&f, FAULT_DELAY, "20"));
    ck_assert(f.settings[FAULT_DELAY].value == 0.25);
}

VT_TEST(a_bad_setting_changes_nothing)
{
    static const struct {
        enum fault which;
        const char *text;
    } bad[] = {
        { FAULT_DELAY, "" },          { FAULT_DELAY, "x" },
        { FAULT_DELAY, "-1" },        { FAULT_DELAY, "101" },
        { FAULT_DELAY, "nan" },       { FAULT_DELAY, "5:" },
        { FAULT_DELAY, "5:-1" },      { FAULT_DELAY, "5:1x" },
        { FAULT_DELAY, "5x" },        { FAULT_DELAY, "5:inf" },
        { FAULT_RESET, "5:1" },       { FAULT_STATUS, "5:404" },
        { FAULT_BANDWIDTH, "5:0.5" }, { N_FAULTS - 1, "5:0" },
    };

    for (int i = 0; i < VT_COUNT_OF(bad); i++) {
        struct faults f = with(bad[i].which, "7"), before = f;

        ck_assert_msg(faults_set(&f, bad[i].which, bad[i].text) != NULL, "%s",
                      bad[i].text);
        ck_assert(memcmp(&f, &before, sizeof(f)) == 0);
    }
}

VT_TEST(a_status_needs_http)
{
    struct faults f;

    faults_init(&f, false, 1);
    ck_assert_ptr_nonnull(faults_set(&f, FAULT_STATUS, "5"));
    ck_assert_ptr_null(faults_set(&f, FAULT_STATUS, "0"));
}

VT_TEST(faults_are_found_by_their_names)
{
    for (int i = 0; i < N_FAULTS; i++)
        ck_assert_int_eq(fault_by_name(fault_kinds[i].name), i);
    ck_assert_int_eq(fault_by_name("nosuch"), N_FAULTS);
}

/* ---- heads ---- */

static struct message
read_head(const char *head)
{
    struct message m;

    ck_assert_msg(read_message(&m, head, strlen(head)), "%s", head);
    return m;
}

VT_CASE("heads", vt_tcase);

VT_TEST(a_request_has_a_length)
{
    struct message m = read_head("POST /x HTTP/1.1\r\nHost: a\r\n"
                                 "content-length:  17\r\n\r\n");

    ck_assert(m.has_length && !m.chunked && m.persistent && !m.is_head);
    ck_assert_uint_eq(m.length, 17);
    ck_assert_uint_eq(m.status, 0);
}

VT_TEST(a_response_has_a_status)
{
    struct message m = read_head("HTTP/1.1 404 Not Found\r\n"
                                 "Transfer-Encoding: gzip, chunked\r\n"
                                 "Connection: close\r\n\r\n");

    ck_assert(m.chunked && !m.has_length && !m.persistent);
    ck_assert_uint_eq(m.status, 404);
}

VT_TEST(an_old_version_does_not_persist_unless_it_says_so)
{
    ck_assert(!read_head("GET / HTTP/1.0\r\n\r\n").persistent);
    ck_assert(read_head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
                  .persistent);
}

VT_TEST(some_responses_have_no_body)
{
    struct message get = read_head("GET / HTTP/1.1\r\n\r\n"),
                   head = read_head("HEAD / HTTP/1.1\r\n\r\n"),
                   ok = read_head("HTTP/1.1 200 OK\r\n\r\n"),
                   none = read_head("HTTP/1.1 204 No Content\r\n\r\n"),
                   same = read_head("HTTP/1.1 304 Not Modified\r\n\r\n");

    ck_assert(!response_has_no_body(&ok, &get));
    ck_assert(response_has_no_body(&ok, &head));
    ck_assert(response_has_no_body(&none, &get));
    ck_assert(response_has_no_body(&same, &get));
}

VT_TEST(what_is_no_head_is_refused)
{
    static const char *const bad[] = { "",
                                       "\r\n",
                                       "\r\n\r\n",
                                       "hello\r\n\r\n",
                                       "GET / HTTP/1.\r\n\r\n",
                                       "HTTP/1.1 x\r\n\r\n",
                                       "GET / HTTP/1.1" };
    struct message m;

    for (int i = 0; i < VT_COUNT_OF(bad); i++)
        ck_assert_msg(!read_message(&m, bad[i], strlen(bad[i])), "%s", bad[i]);
}

/* A head that ends anywhere is read within its bounds. */
VT_TEST(every_prefix_of_a_head_is_safe)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    struct message m;

    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = strndup(text, len);

        read_message(&m, copy, len);
        free(copy);
    }
}
