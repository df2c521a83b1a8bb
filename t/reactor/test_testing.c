/* The kit for the tests of users' own programs. */

#include "support/promise_kit.h"

#include <errno.h>
#include <string.h>

#include <vetch/testing.h>

/* ---- shuffling ---- */

VT_CASE("order", pk_tcase);

/* What runs when eight promises are settled at once. */
static const char *
order_of_eight(uint64_t seed)
{
    static const char *const words[] = {
        "a", "b", "c", "d", "e", "f", "g", "h"
    };
    struct pk_op ops[8];

    memset(ops, 0, sizeof(ops));
    pk_trace_clear();
    ck_assert_int_eq(vetch_testing_shuffle(seed), 0);
    for (size_t i = 0; i < 8; i++)
        vetch_promise_unref(
            vetch_then(pk_start(&ops[i]), pk_pass_value, pk_word(words[i])));
    for (size_t i = 0; i < 8; i++)
        pk_resolve_number(&ops[i], 1);
    vt_run_ready();
    return pk_trace();
}

VT_TEST(shuffle_changes_the_order)
{
    ck_assert_str_eq(order_of_eight(0), "a b c d e f g h");
    ck_assert_str_ne(order_of_eight(1), "a b c d e f g h");
}

VT_TEST(shuffle_by_the_same_seed_gives_the_same_order)
{
    char first[64];

    strcpy(first, order_of_eight(12345));
    ck_assert_str_eq(order_of_eight(12345), first);
    ck_assert_str_ne(order_of_eight(54321), first);
}

VT_TEST(shuffle_runs_everything)
{
    char seen[9] = "";

    for (const char *at = order_of_eight(99); *at != '\0'; at++)
        if (*at != ' ')
            seen[*at - 'a'] = *at;
    ck_assert_str_eq(seen, "abcdefgh");
}

VT_TEST(shuffle_keeps_the_order_of_one_promise)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct pk_op op = { .on_cancel = PK_AGREE };
        vetch_promise *p = pk_start(&op);

        vetch_testing_shuffle(seed);
        for (const char *const *w =
                 (const char *const[]){ "a", "b", "c", NULL };
             *w != NULL; w++)
            vetch_promise_unref(
                vetch_then(vetch_promise_ref(p), pk_pass_value, pk_word(*w)));
        pk_resolve_number(&op, 1);
        pk_expect_trace("a b c");
        vetch_promise_unref(p);
    }
}

VT_TEST(shuffle_keeps_the_order_of_calls)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        vetch_testing_shuffle(seed);
        vetch_call_soon(pk_note, pk_word("a"));
        vetch_call_soon(pk_note, pk_word("b"));
        vetch_call_soon(pk_note, pk_word("c"));
        pk_expect_trace("a b c");
    }
}

/* ---- connections ---- */

VT_CASE("faults", pk_tcase);

static size_t received, largest;
static vetch_transport *server_side;

static void
server_connected(vetch_protocol *p, vetch_transport *t)
{
    (void)p;
    server_side = t;
}

static void
count_received(vetch_protocol *p, vetch_buffer *input)
{
    size_t len = vetch_buffer_len(input);

    (void)p;
    received += len;
    if (len > largest)
        largest = len;
    vetch_buffer_consume(input, len);
}

static const vetch_protocol_class counting = {
    .size = sizeof(counting),
    .connected = server_connected,
    .received = count_received,
};
static const vetch_protocol_class silent = { .size = sizeof(silent) };
static vetch_protocol server_protocol = { &counting };
static vetch_protocol client_protocol = { &silent };

static vetch_protocol *
accept_one(void *ctx)
{
    (void)ctx;
    return &server_protocol;
}

static vetch_listener *
listen_somewhere(void)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", accept_one, NULL, NULL);

    ck_assert_ptr_nonnull(l);
    return l;
}

static int
connect_code(vetch_listener *l)
{
    vetch_error *error;
    vetch_transport *t =
        vetch_run(vetch_connect(vetch_listener_endpoint(l)), &error);
    int code = vetch_error_code(vetch_error_cause(error));

    if (t != NULL)
        vetch_transport_abort(t);
    vetch_transport_unref(t);
    vetch_error_unref(error);
    return code;
}

static void
stop(vetch_listener *l)
{
    vetch_error *error;

    vetch_stop_report_unref(vetch_run(vetch_listener_stop(l, 0), &error));
    ck_assert_ptr_null(error);
    vetch_listener_unref(l);
}

VT_TEST(fail_connect_fails_the_nth_and_no_other)
{
    vetch_listener *l = listen_somewhere();

    ck_assert_int_eq(vetch_testing_fail_connect(2, ENETUNREACH), 0);
    ck_assert_int_eq(connect_code(l), 0);
    ck_assert_int_eq(connect_code(l), ENETUNREACH);
    ck_assert_int_eq(connect_code(l), 0);
    stop(l);
}

VT_TEST(fail_connect_with_zero_takes_it_back)
{
    vetch_listener *l = listen_somewhere();

    vetch_testing_fail_connect(1, ENETUNREACH);
    vetch_testing_fail_connect(0, 0);
    ck_assert_int_eq(connect_code(l), 0);
    stop(l);
}

VT_TEST(short_writes_lose_nothing)
{
    static char bytes[5000];
    vetch_listener *l = listen_somewhere();
    vetch_transport *t =
        vetch_run(vetch_connect(vetch_listener_endpoint(l)), NULL);

    received = largest = 0;
    ck_assert_int_eq(vetch_testing_short_writes(7), 0);
    ck_assert_int_eq(vetch_transport_attach(t, &client_protocol), 0);
    ck_assert_int_eq(vetch_transport_write(t, bytes, sizeof(bytes)), 0);
    while (received < sizeof(bytes))
        vt_run_ready();
    ck_assert_uint_eq(received, sizeof(bytes));
    ck_assert_uint_lt(largest, sizeof(bytes));
    vetch_testing_short_writes(VETCH_NO_LIMIT);
    vetch_transport_abort(t);
    vetch_transport_unref(t);
    stop(l);
}

VT_TEST(the_kit_needs_a_reactor, .misuse = true)
{
    pk_end_reactor();
    vt_log_from(VETCH_LOG_ERROR);
    ck_assert_int_eq(vetch_testing_shuffle(1), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(vetch_testing_fail_connect(1, EIO), -1);
    ck_assert_int_eq(vetch_testing_short_writes(1), -1);
    vt_log_take();
}
