/* What is kept of host names: a bounded table. */
#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "net/name_cache-private.h"
#include "net/resolver-private.h"

static struct vetch__name_cache *c;
static vetch_addresses *a;
static vetch_addresses *found;
static vetch_error *error;

static void
set_up(void)
{
    c = vetch__name_cache_new(3, 100, 10);
    a = vetch__addresses_known("127.0.0.1", 0);
    ck_assert(c != NULL && a != NULL);
}

static void
take_down(void)
{
    vetch__name_cache_free(c);
    ck_assert_uint_eq(a->object.refs, 1); /* all were given back */
    vetch_addresses_unref(a);
}

static bool
knows(const char *host, uint64_t now)
{
    found = NULL;
    error = NULL;
    return vetch__name_cache_find(c, host, now, &found, &error);
}

VT_CASE("names", vt_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(addresses_are_found_until_they_are_too_old)
{
    ck_assert(!knows("a", 0));
    vetch__name_cache_put(c, "a", 5, a, NULL);
    ck_assert(knows("a", 104));
    ck_assert_ptr_eq(found, a);
    ck_assert_ptr_null(error);
    ck_assert(!knows("A", 6)); /* names come in lower case */
    ck_assert(!knows("a", 105));
    ck_assert(!knows("a", 6)); /* it is gone */
}

VT_TEST(errors_have_a_time_of_their_own)
{
    vetch_error *e = vetch_error_new(VETCH_ENOTFOUND, "no");

    vetch__name_cache_put(c, "a", 0, NULL, e);
    vetch_error_unref(e);
    ck_assert(knows("a", 9));
    ck_assert_ptr_eq(error, e);
    ck_assert_ptr_null(found);
    ck_assert(!knows("a", 10));
}

VT_TEST(the_latest_counts)
{
    vetch_error *e = vetch_error_new(VETCH_ENOTFOUND, "no");

    vetch__name_cache_put(c, "a", 0, NULL, e);
    vetch_error_unref(e);
    vetch__name_cache_put(c, "a", 1, a, NULL);
    ck_assert(knows("a", 100));
    ck_assert_ptr_eq(found, a);
}

VT_TEST(what_was_not_asked_for_for_longest_goes)
{
    vetch__name_cache_put(c, "a", 0, a, NULL);
    vetch__name_cache_put(c, "b", 0, a, NULL);
    vetch__name_cache_put(c, "c", 0, a, NULL);
    ck_assert(knows("a", 1));
    vetch__name_cache_put(c, "d", 1, a, NULL);
    ck_assert(!knows("b", 1));
    ck_assert(knows("a", 1) && knows("c", 1) && knows("d", 1));
    vetch__name_cache_clear(c);
    ck_assert(!knows("a", 1) && !knows("c", 1) && !knows("d", 1));
}

VT_TEST(a_cache_of_nothing_keeps_nothing)
{
    struct vetch__name_cache *full = c;

    c = vetch__name_cache_new(0, 100, 100);
    vetch__name_cache_put(c, "a", 0, a, NULL);
    ck_assert(!knows("a", 0));
    vetch__name_cache_free(c);
    c = vetch__name_cache_new(3, 0, 0);
    vetch__name_cache_put(c, "a", 0, a, NULL);
    ck_assert(!knows("a", 0));
    vetch__name_cache_free(c);
    c = full;
}

VT_TEST(time_without_end_does_not_wrap)
{
    vetch__name_cache_free(c);
    c = vetch__name_cache_new(3, UINT64_MAX, 0);
    vetch__name_cache_put(c, "a", 5, a, NULL);
    ck_assert(knows("a", UINT64_MAX - 1));
}

VT_TEST(many_names_are_bounded)
{
    char host[32];

    vetch__name_cache_free(c);
    c = vetch__name_cache_new(5000, 100, 10);
    for (int i = 0; i < 20000; i++) {
        snprintf(host, sizeof(host), "host%d.test", i);
        vetch__name_cache_put(c, host, 0, a, NULL);
    }
    ck_assert_uint_eq(a->object.refs, 5001);
    ck_assert(!knows("host14999.test", 1));
    ck_assert(knows("host15000.test", 1) && knows("host19999.test", 1));
}

static void
keep_some(bool unharmed)
{
    struct vetch__name_cache *names = vetch__name_cache_new(2, 100, 10);

    ck_assert(!unharmed || names != NULL);
    if (names == NULL)
        return;
    vetch__name_cache_put(names, "a", 0, a, NULL);
    vetch__name_cache_put(names, "b", 0, a, NULL);
    vetch__name_cache_put(names, "c", 0, a, NULL);
    vetch__name_cache_free(names);
}

VT_TEST(it_survives_running_out_of_memory)
{
    vt_sweep_allocations(keep_some);
}
