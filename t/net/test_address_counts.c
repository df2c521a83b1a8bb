/* Counting connections by address: a table. */
#include "support/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/address_counts-private.h"

static const struct sockaddr *
address(const char *text)
{
    static union vetch__address a;
    socklen_t len;

    ck_assert(vetch__address_parse(&a, &len, text, 1));
    return &a.any;
}

VT_CASE("counts", vt_tcase);

VT_TEST(an_address_may_have_as_many_as_the_limit)
{
    struct vetch__address_counts *c = vetch__address_counts_new(2);

    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.1")), 0);
    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.1")), 0);
    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.1")), -1);
    ck_assert_int_eq(errno, EUSERS);
    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.2")), 0);
    ck_assert_uint_eq(vetch__address_counts_size(c), 2);
    vetch__address_counts_drop(c, address("192.0.2.1"));
    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.1")), 0);
    vetch__address_counts_free(c);
}

VT_TEST(mapped_addresses_are_the_same)
{
    struct vetch__address_counts *c = vetch__address_counts_new(1);

    ck_assert_int_eq(vetch__address_counts_add(c, address("192.0.2.1")), 0);
    ck_assert_int_eq(vetch__address_counts_add(c, address("::ffff:192.0.2.1")),
                     -1);
    ck_assert_int_eq(vetch__address_counts_add(c, address("::ffff:192.0.2.2")),
                     0);
    vetch__address_counts_free(c);
}

/* Whoever has one address of it has all. */
VT_TEST(an_ipv6_network_of_64_bits_counts_as_one)
{
    struct vetch__address_counts *c = vetch__address_counts_new(1);

    ck_assert_int_eq(vetch__address_counts_add(c, address("2001:db8::1")), 0);
    ck_assert_int_eq(vetch__address_counts_add(c, address("2001:db8::ffff:2")),
                     -1);
    ck_assert_int_eq(vetch__address_counts_add(c, address("2001:db8:0:1::1")),
                     0);
    vetch__address_counts_drop(c, address("2001:db8::3"));
    vetch__address_counts_drop(c, address("2001:db8:0:1::1"));
    ck_assert_uint_eq(vetch__address_counts_size(c), 0);
    vetch__address_counts_free(c);
}

VT_TEST(what_has_no_address_is_not_counted)
{
    struct vetch__address_counts *c = vetch__address_counts_new(1);
    struct sockaddr any = { .sa_family = AF_UNIX };

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(vetch__address_counts_add(c, &any), 0);
    vetch__address_counts_drop(c, &any);
    ck_assert_uint_eq(vetch__address_counts_size(c), 0);
    vetch__address_counts_free(c);
}

VT_TEST(many_addresses_come_and_go)
{
    struct vetch__address_counts *c = vetch__address_counts_new(1);
    struct sockaddr_in in = { .sin_family = AF_INET };

    for (uint32_t i = 0; i < 5000; i++) {
        in.sin_addr.s_addr = htonl(i);
        ck_assert_int_eq(vetch__address_counts_add(c, (struct sockaddr *)&in),
                         0);
    }
    for (uint32_t i = 0; i < 5000; i += 7) {
        in.sin_addr.s_addr = htonl(i);
        ck_assert_int_eq(vetch__address_counts_add(c, (struct sockaddr *)&in),
                         -1);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        ck_assert_uint_eq(vetch__address_counts_size(c), 5000 - i);
        in.sin_addr.s_addr = htonl(i);
        vetch__address_counts_drop(c, (struct sockaddr *)&in);
    }
    ck_assert_uint_eq(vetch__address_counts_size(c), 0);
    vetch__address_counts_free(c);
}

static void
add_many(bool unharmed)
{
    struct vetch__address_counts *c = vetch__address_counts_new(1);
    struct sockaddr_in in = { .sin_family = AF_INET };

    ck_assert(!unharmed || c != NULL);
    for (uint32_t i = 0; c != NULL && i < 40; i++) {
        in.sin_addr.s_addr = htonl(i);
        if (vetch__address_counts_add(c, (struct sockaddr *)&in) < 0)
            ck_assert_int_eq(errno, ENOMEM);
    }
    if (unharmed)
        ck_assert_uint_eq(vetch__address_counts_size(c), 40);
    vetch__address_counts_free(c);
}

VT_TEST(it_survives_running_out_of_memory)
{
    vt_sweep_allocations(add_many);
}
