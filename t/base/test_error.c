/* Errors: code, message, chain of causes, one-line print. */

#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/testing.h>

/* ---- basics ---- */

VT_CASE("basics", vt_tcase);

VT_TEST(error_has_code_and_message)
{
    vetch_error *e = vetch_error_new(VETCH_EUSER + 1, "no room for %d", 7);

    ck_assert_int_eq(vetch_error_code(e), VETCH_EUSER + 1);
    ck_assert_str_eq(vetch_error_message(e), "no room for 7");
    ck_assert_str_eq(vetch_error_text(e), "no room for 7");
    ck_assert_ptr_null(vetch_error_cause(e));
    vetch_error_unref(e);
}

VT_TEST(error_prints_all_causes_in_one_line)
{
    vetch_error *refused =
        vetch_error_from_errno(ECONNREFUSED, "connect %s", "127.0.0.1:8001");
    vetch_error *get = vetch_error_wrap(refused, "GET %s", "http://h/br.gif");
    vetch_error *fetch = vetch_error_wrap(get, "fetch BR");

    ck_assert_str_eq(vetch_error_text(fetch),
                     "fetch BR: GET http://h/br.gif: "
                     "connect 127.0.0.1:8001: connection refused");
    ck_assert_str_eq(vetch_error_message(fetch), "fetch BR");
    vetch_error_unref(refused);
    vetch_error_unref(get);
    vetch_error_unref(fetch);
}

VT_TEST(error_text_is_made_once)
{
    vetch_error *cause = vetch_error_new(1, "inner");
    vetch_error *e = vetch_error_wrap(cause, "outer");

    ck_assert_ptr_eq(vetch_error_text(e), vetch_error_text(e));
    vetch_error_unref(cause);
    vetch_error_unref(e);
}

VT_TEST(error_wrap_keeps_the_code)
{
    vetch_error *cause = vetch_error_new(VETCH_ETOOLARGE, "too much");
    vetch_error *e = vetch_error_wrap(cause, "reading");

    ck_assert_int_eq(vetch_error_code(e), VETCH_ETOOLARGE);
    ck_assert_ptr_eq(vetch_error_cause(e), cause);
    vetch_error_unref(cause);
    vetch_error_unref(e);
}

VT_TEST(error_wrap_code_replaces_the_code)
{
    vetch_error *cause = vetch_error_from_errno(ENOENT, "open");
    vetch_error *e = vetch_error_wrap_code(cause, VETCH_EUSER, "no settings");

    ck_assert_int_eq(vetch_error_code(e), VETCH_EUSER);
    ck_assert(vetch_error_is(e, ENOENT));
    vetch_error_unref(cause);
    vetch_error_unref(e);
}

VT_TEST(error_wrap_of_null_means_out_of_memory)
{
    vetch_error *e = vetch_error_wrap(NULL, "while saving");

    ck_assert_int_eq(vetch_error_code(e), VETCH_ENOMEM);
    ck_assert_str_eq(vetch_error_text(e), "while saving: out of memory");
    vetch_error_unref(e);
}

VT_TEST(error_is_searches_the_chain)
{
    vetch_error *cause = vetch_error_from_errno(EPIPE, "write");
    vetch_error *e = vetch_error_wrap_code(cause, VETCH_ECLOSED, "send");

    ck_assert(vetch_error_is(e, VETCH_ECLOSED));
    ck_assert(vetch_error_is(e, EPIPE));
    ck_assert(!vetch_error_is(e, ECONNRESET));
    ck_assert(!vetch_error_is(NULL, EPIPE));
    vetch_error_unref(cause);
    vetch_error_unref(e);
}

VT_TEST(error_of_errno_without_words_is_the_system_s)
{
    vetch_error *e = vetch_error_from_errno(ENOENT, "%s", "");

    ck_assert_str_eq(vetch_error_text(e), "no such file or directory");
    ck_assert_int_eq(vetch_error_code(e), ENOENT);
    vetch_error_unref(e);
}

VT_TEST(error_null_reads_as_no_error)
{
    ck_assert_int_eq(vetch_error_code(NULL), 0);
    ck_assert_str_eq(vetch_error_text(NULL), "no error");
    ck_assert_str_eq(vetch_error_message(NULL), "no error");
    ck_assert_ptr_null(vetch_error_cause(NULL));
    ck_assert_ptr_null(vetch_error_suppressed(NULL, 0));
    ck_assert_ptr_null(vetch_error_ref(NULL));
    ck_assert_ptr_null(vetch_error_unref(NULL));
}

VT_TEST(error_control_characters_become_spaces)
{
    vetch_error *e = vetch_error_new(1, "a\nb\tc\033[31md\177e");

    ck_assert_str_eq(vetch_error_message(e), "a b c [31md e");
    vetch_error_unref(e);
}

VT_TEST(error_control_characters_of_utf_8_become_spaces)
{
    vetch_error *e = vetch_error_new(1, "a\302\233"
                                        "31mb\302\205c \303\237\302");

    ck_assert_str_eq(vetch_error_message(e), "a  31mb  c \303\237\302");
    vetch_error_unref(e);
}

VT_TEST(error_message_is_not_cut_inside_a_character)
{
    char words[4001];
    vetch_error *e;

    for (size_t i = 0; i < 4000; i += 4) /* a face */
        memcpy(words + i, "\360\237\230\200", 5);
    for (size_t n = 0; n < 4; n++) {
        e = vetch_error_new(1, "%.*s%s", (int)n, "xxx", words);
        ck_assert_uint_eq((strlen(vetch_error_message(e)) - n - 3) % 4, 0);
        ck_assert_uint_gt(strlen(vetch_error_message(e)), 2044);
        ck_assert_uint_le(strlen(vetch_error_message(e)), 2048);
        vetch_error_unref(e);
    }
}

VT_TEST(error_message_of_2048_bytes_is_whole)
{
    char words[2049];
    vetch_error *e;

    memset(words, 'x', 2048);
    words[2048] = '\0';
    e = vetch_error_new(1, "%s", words);
    ck_assert_str_eq(vetch_error_message(e), words);
    vetch_error_unref(e);
}

VT_TEST(error_message_of_a_megabyte_is_cut)
{
    size_t len = 1000000;
    char *words = malloc(len + 1);
    vetch_error *e;

    memset(words, 'x', len);
    words[len] = '\0';
    e = vetch_error_new(1, "name %s", words);
    ck_assert_uint_eq(strlen(vetch_error_message(e)), 2048);
    ck_assert_str_eq(vetch_error_message(e) + 2044, "x...");
    vetch_error_unref(e);
    e = vetch_error_from_errno(EIO, "name %s", words);
    ck_assert_ptr_nonnull(strstr(vetch_error_message(e), "x...: "));
    vetch_error_unref(e);
    free(words);
}

VT_TEST(error_keeps_errno)
{
    vetch_error *e;

    errno = EXDEV;
    e = vetch_error_new(1, "one");
    vetch_error_unref(e);
    ck_assert_int_eq(errno, EXDEV);
}

/* ---- names ---- */

VT_CASE("names", vt_tcase);

VT_TEST(error_names_say_what_a_code_is)
{
    ck_assert_str_eq(vetch_error_name(VETCH_ECANCELED), "VETCH_ECANCELED");
    ck_assert_str_eq(vetch_error_name(VETCH_ENOMEM), "VETCH_ENOMEM");
    ck_assert_str_eq(vetch_error_name(VETCH_ETIMEDOUT), "VETCH_ETIMEDOUT");
    ck_assert_str_eq(vetch_error_name(ETIMEDOUT), "ETIMEDOUT");
    ck_assert_str_eq(vetch_error_name(ECONNREFUSED), "ECONNREFUSED");
    ck_assert_str_eq(vetch_error_name(VETCH_EHTTP + 404), "HTTP 404");
    ck_assert_ptr_null(vetch_error_name(VETCH_EUSER + 5));
    ck_assert_ptr_null(vetch_error_name(0));
    ck_assert_ptr_null(vetch_error_name(-1));
}

VT_TEST(error_each_code_of_ours_has_its_own_name)
{
    static const int codes[] = {
        VETCH_ETIMEDOUT,   VETCH_EABANDONED, VETCH_ECLOSED,    VETCH_ECYCLE,
        VETCH_EMISUSE,     VETCH_EAGGREGATE, VETCH_ERESOLVE,   VETCH_ENOTFOUND,
        VETCH_EENDPOINT,   VETCH_EEOF,       VETCH_ECONNECT,   VETCH_EURL,
        VETCH_EPROTO_HTTP, VETCH_ETOOLARGE,  VETCH_ETRUNCATED, VETCH_ECODING,
        VETCH_EHTTP,       VETCH_EUSER,
    };
    size_t n = sizeof(codes) / sizeof(codes[0]), i, j;

    for (i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(vetch_error_name(codes[i]));
        ck_assert_int_eq(strncmp(vetch_error_name(codes[i]), "VETCH_E", 7), 0);
        for (j = 0; j < i; j++)
            ck_assert_str_ne(vetch_error_name(codes[i]),
                             vetch_error_name(codes[j]));
    }
}

/* ---- lifetime ---- */

VT_CASE("lifetime", vt_tcase);

VT_TEST(error_lives_until_its_last_reference)
{
    vetch_error *e = vetch_error_new(1, "shared");

    ck_assert_ptr_eq(vetch_error_ref(e), e);
    ck_assert_ptr_null(vetch_error_unref(e));
    ck_assert_str_eq(vetch_error_message(e), "shared");
    vetch_error_unref(e);
}

VT_TEST(error_chain_of_a_million_is_freed_in_constant_stack)
{
    vetch_error *e = vetch_error_new(1, "root");
    int i;

    for (i = 0; i < 1000000; i++) {
        vetch_error *outer = vetch_error_wrap(e, "x");

        vetch_error_unref(e);
        e = outer;
    }
    ck_assert(vetch_error_is(e, 1));
    vetch_error_unref(e);
}

/* ---- aggregates ---- */

VT_CASE("aggregates", vt_tcase);

VT_TEST(error_aggregate_keeps_the_primary_s_code_and_text)
{
    vetch_error *cause = vetch_error_from_errno(EPIPE, "write");
    vetch_error *first = vetch_error_wrap(cause, "send");
    vetch_error *second = vetch_error_new(2, "second");
    vetch_error *third = vetch_error_new(3, "third");
    const vetch_error *others[] = { second, third };
    vetch_error *e = vetch_error_aggregate(first, others, 2);

    ck_assert_int_eq(vetch_error_code(e), EPIPE);
    ck_assert_str_eq(vetch_error_text(e), vetch_error_text(first));
    ck_assert_ptr_eq(vetch_error_suppressed(e, 0), second);
    ck_assert_ptr_eq(vetch_error_suppressed(e, 1), third);
    ck_assert_ptr_null(vetch_error_suppressed(e, 2));
    vetch_error_unref(cause);
    vetch_error_unref(first);
    vetch_error_unref(second);
    vetch_error_unref(third);
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(e, 1)), "third");
    vetch_error_unref(e);
}

VT_TEST(error_aggregate_without_primary_sums_up)
{
    vetch_error *one = vetch_error_new(1, "one");
    vetch_error *two = vetch_error_new(2, "two");
    const vetch_error *others[] = { one, two };
    vetch_error *e = vetch_error_aggregate(NULL, others, 2);

    ck_assert_int_eq(vetch_error_code(e), VETCH_EAGGREGATE);
    ck_assert_str_eq(vetch_error_text(e), "2 errors, the first: one");
    ck_assert_ptr_eq(vetch_error_suppressed(e, 0), one);
    vetch_error_unref(e);
    e = vetch_error_aggregate(NULL, NULL, 0);
    ck_assert_int_eq(vetch_error_code(e), VETCH_EAGGREGATE);
    vetch_error_unref(e);
    vetch_error_unref(one);
    vetch_error_unref(two);
}

VT_TEST(error_aggregate_of_an_aggregate_keeps_all)
{
    vetch_error *one = vetch_error_new(1, "one");
    vetch_error *two = vetch_error_new(2, "two");
    vetch_error *three = vetch_error_new(3, "three");
    const vetch_error *a[] = { two }, *b[] = { three };
    vetch_error *inner = vetch_error_aggregate(one, a, 1);
    vetch_error *outer = vetch_error_aggregate(inner, b, 1);

    ck_assert_ptr_eq(vetch_error_suppressed(outer, 0), two);
    ck_assert_ptr_eq(vetch_error_suppressed(outer, 1), three);
    vetch_error_unref(one);
    vetch_error_unref(two);
    vetch_error_unref(three);
    vetch_error_unref(inner);
    vetch_error_unref(outer);
}

/* ---- out of memory ---- */

VT_CASE("memory", vt_tcase);

VT_TEST(error_out_of_memory_is_an_error_of_that_kind)
{
    vetch_error *e, *again;

    vetch_testing_fail_allocation(1, false);
    e = vetch_error_new(VETCH_EUSER, "never seen");
    vetch_testing_fail_allocation(0, false);
    ck_assert_int_eq(vetch_error_code(e), VETCH_ENOMEM);
    ck_assert_str_eq(vetch_error_text(e), "out of memory");
    again = vetch_error_ref(e);
    ck_assert_ptr_eq(again, e);
    vetch_error_unref(e); /* immortal: any number of times */
    vetch_error_unref(e);
    vetch_error_unref(again);
    ck_assert_str_eq(vetch_error_text(e), "out of memory");
}

static void
make_and_print(bool unharmed)
{
    vetch_error *cause = vetch_error_from_errno(EPIPE, "write");
    vetch_error *e = vetch_error_wrap(cause, "send");
    const vetch_error *others[] = { cause };
    vetch_error *all = vetch_error_aggregate(e, others, 1);

    ck_assert_ptr_nonnull(vetch_error_text(all));
    ck_assert_int_ne(vetch_error_code(all), 0);
    if (unharmed)
        ck_assert_str_eq(vetch_error_text(all), "send: write: broken pipe");
    vetch_error_unref(cause);
    vetch_error_unref(e);
    vetch_error_unref(all);
}

VT_TEST(error_survives_each_failed_allocation)
{
    vt_sweep_allocations(make_and_print);
}
