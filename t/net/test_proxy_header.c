/* PROXY headers, byte by byte: pure functions. */
#include "support/harness.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/proxy_header-private.h"

static struct vetch__proxy_header h;

/* Feed `len` bytes in pieces of `step`, with others behind them. */
static const char *
feed(const void *bytes, size_t len, size_t step)
{
    static const char behind[] = "GET / HTTP/1.1\r\n";
    char all[VETCH__PROXY_MAX + 100];
    size_t total = len + sizeof(behind), at = 0;

    ck_assert_uint_le(total, sizeof(all));
    memcpy(all, bytes, len);
    memcpy(all + len, behind, sizeof(behind));
    memset(&h, 0, sizeof(h));
    while (!h.done && at < total) {
        size_t n = step < total - at ? step : total - at, taken;
        const char *why = vetch__proxy_header_feed(&h, all + at, n, &taken);

        if (why != NULL)
            return why;
        at += taken;
        ck_assert(h.done || taken == n);
    }
    ck_assert_uint_eq(at, len); /* not a byte more */
    return NULL;
}

/* In every way to cut it into equal pieces. */
static void
feed_well(const void *bytes, size_t len)
{
    for (size_t step = 1; step <= len + 5; step++) {
        const char *why = feed(bytes, len, step);

        ck_assert_msg(why == NULL, "in pieces of %zu: %s", step, why);
        ck_assert(h.done);
    }
}

static void
feed_badly(const void *bytes, size_t len, const char *expected)
{
    for (size_t step = 1; step <= len + 5; step++) {
        const char *why = feed(bytes, len, step);

        ck_assert_ptr_nonnull(why);
        ck_assert_str_eq(why, expected);
    }
}

static void
assert_addresses(const char *source, const char *destination)
{
    char text[VETCH__ADDRESS_TEXT];

    ck_assert(h.proxied);
    vetch__address_format(text, &h.source.any, h.source_len);
    ck_assert_str_eq(text, source);
    vetch__address_format(text, &h.destination.any, h.destination_len);
    ck_assert_str_eq(text, destination);
}

/* ---- version 1 ---- */

VT_CASE("version 1", vt_tcase);

VT_TEST(lines_tell_addresses)
{
    static const char *const cases[][3] = {
        { "PROXY TCP4 192.0.2.1 198.51.100.2 51000 443\r\n", "192.0.2.1:51000",
          "198.51.100.2:443" },
        { "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
          "255.255.255.255:65535", "255.255.255.255:65535" },
        { "PROXY TCP6 2001:db8::1 2001:DB8::2 0 1\r\n", "[2001:db8::1]:0",
          "[2001:db8::2]:1" },
        { "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        feed_well(cases[i][0], strlen(cases[i][0]));
        assert_addresses(cases[i][1], cases[i][2]);
        ck_assert_uint_eq(h.tlvs, 0);
    }
}

/* The longest line: UNKNOWN with everything. */
VT_TEST(an_unknown_connection_is_the_proxys_own)
{
    static const char *const lines[] = {
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN what ever this is\r\n",
        ("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
    };

    ck_assert_uint_eq(strlen(lines[2]), 107);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        feed_well(lines[i], strlen(lines[i]));
        ck_assert(!h.proxied);
    }
}

VT_TEST(malformed_lines_are_refused)
{
    static const char *const addresses[] = {
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
        "PROXY TCP4 ::1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP6 ::1%1 ::1 1 2\r\n",
        "PROXY TCP6 [::1] ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
    };
    static const char *const protocols[] = {
        "PROXY \r\n",         "PROXY TCP5 a b c d\r\n", "PROXY tcp4\r\n",
        "PROXY UNKNOWNX\r\n", "PROXY  UNKNOWN\r\n",
    };
    static const char *const no_end[] = {
        "PROXY UNKNOWN\n",
        "PROXY \n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
    };
    static const char *const no_header[] = {
        "GET / HTTP/1.1\r\n", "PROXY\r\n",          "PROXYTCP4", "proxy TCP4",
        "\x16\x03\x01",       "PRI * HTTP/2.0\r\n", "\n",
    };
    static const char nul[] = "PROXY UNKNOWN \0 x\r\n";
    char line[120];

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        feed_badly(addresses[i], strlen(addresses[i]),
                   "malformed addresses in a PROXY header");
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        feed_badly(protocols[i], strlen(protocols[i]),
                   "unknown protocol in a PROXY header");
    for (size_t i = 0; i < sizeof(no_end) / sizeof(no_end[0]); i++)
        feed_badly(no_end[i], strlen(no_end[i]),
                   "a line of a PROXY header does not end with CR LF");
    for (size_t i = 0; i < sizeof(no_header) / sizeof(no_header[0]); i++)
        feed_badly(no_header[i], strlen(no_header[i]), "no PROXY header");
    feed_badly(nul, sizeof(nul) - 1, "NUL in a PROXY header");
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    feed_badly(line, sizeof(line), "a line of a PROXY header is too long");
}

/* ---- version 2 ---- */

static uint8_t v2[VETCH__PROXY_MAX + 70000];
static size_t v2_len;

static void
put(const void *bytes, size_t len)
{
    memcpy(v2 + v2_len, bytes, len);
    v2_len += len;
    v2[14] = (uint8_t)((v2_len - 16) >> 8);
    v2[15] = (uint8_t)(v2_len - 16);
}

static void
begin_v2(uint8_t command, uint8_t family)
{
    v2_len = 0;
    put("\r\n\r\n\0\r\nQUIT\n", 12);
    put(&command, 1);
    put(&family, 1);
    put("\0\0", 2);
}

static void
begin_inet(void)
{
    begin_v2(0x21, 0x11);
    put("\300\0\2\1\306\63\144\2\307\70\1\273", 12);
}

static void
put_tlv(uint8_t type, const void *value, size_t len)
{
    uint8_t head[3] = { type, (uint8_t)(len >> 8), (uint8_t)len };

    put(head, 3);
    put(value, len);
}

static void
put_crc(void)
{
    uint32_t crc;

    put_tlv(0x03, "\0\0\0\0", 4);
    crc = htonl(vetch__crc32c(0, v2, v2_len));
    memcpy(v2 + v2_len - 4, &crc, 4);
}

VT_CASE("version 2", vt_tcase);

VT_TEST(binary_headers_tell_addresses)
{
    static const uint8_t families[] = { 0x11, 0x12 };

    for (size_t i = 0; i < sizeof(families); i++) {
        begin_inet();
        v2[13] = families[i];
        feed_well(v2, v2_len);
        assert_addresses("192.0.2.1:51000", "198.51.100.2:443");
    }
    begin_v2(0x21, 0x21);
    put("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    put("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\377\377", 20);
    feed_well(v2, v2_len);
    assert_addresses("[2001:db8::1]:1", "[2001:db8::2]:65535");
    begin_v2(0x21, 0x31);
    v2_len += 216;
    memset(v2 + 16, 0, 216);
    strcpy((char *)v2 + 16, "/run/source");
    strcpy((char *)v2 + 17 + 108, "abstract");
    put("", 0);
    feed_well(v2, v2_len);
    assert_addresses("/run/source", "@abstract");
}

VT_TEST(an_empty_unix_address_has_no_name)
{
    begin_v2(0x21, 0x31);
    memset(v2 + 16, 0, 216);
    v2_len += 216;
    put("", 0);
    feed_well(v2, v2_len);
    assert_addresses("", "");
}

/* Health checks of the proxy itself. */
VT_TEST(a_local_command_skips_what_follows)
{
    static const uint8_t families[] = { 0, 0x11, 0x21, 0x31, 0xff };

    for (size_t i = 0; i < sizeof(families); i++) {
        begin_v2(0x20, families[i]);
        feed_well(v2, v2_len);
        ck_assert(!h.proxied);
        put("anything at all", 15);
        feed_well(v2, v2_len);
        ck_assert(!h.proxied);
        ck_assert_uint_eq(h.tlvs, 0);
    }
}

VT_TEST(an_unspecified_family_is_the_proxys_own)
{
    begin_v2(0x21, 0);
    feed_well(v2, v2_len);
    ck_assert(!h.proxied);
    put("\1\2\3", 3);
    feed_well(v2, v2_len);
    ck_assert(!h.proxied);
}

VT_TEST(tlvs_can_be_asked_for)
{
    static const char tls[] = "\1\0\0\0\0\x21\0\7TLSv1.3\x22\0\3bob";
    const uint8_t *value, *tlvs;
    size_t len = 0;

    begin_inet();
    put_tlv(0x02, "example.org", 11);
    put_tlv(0xe0, "", 0);
    put_tlv(0x20, tls, sizeof(tls) - 1);
    put_tlv(0x05, "id", 2);
    feed_well(v2, v2_len);
    tlvs = h.bytes + h.tlvs;
    value = vetch__proxy_tlv(tlvs, h.len - h.tlvs, 0x02, &len);
    ck_assert_uint_eq(len, 11);
    ck_assert_int_eq(memcmp(value, "example.org", 11), 0);
    ck_assert_ptr_nonnull(vetch__proxy_tlv(tlvs, h.len - h.tlvs, 0xe0, &len));
    ck_assert_uint_eq(len, 0);
    value = vetch__proxy_tlv(tlvs, h.len - h.tlvs, 0x22, &len);
    ck_assert_uint_eq(len, 3);
    ck_assert_int_eq(memcmp(value, "bob", 3), 0);
    value = vetch__proxy_tlv(tlvs, h.len - h.tlvs, 0x05, &len);
    ck_assert_int_eq(memcmp(value, "id", 2), 0);
    ck_assert_ptr_null(vetch__proxy_tlv(tlvs, h.len - h.tlvs, 0x01, &len));
    ck_assert_ptr_null(vetch__proxy_tlv(tlvs, 0, 0x01, &len));
}

/* RFC 3720, appendix B.4. */
VT_TEST(checksums_are_castagnolis)
{
    uint8_t bytes[32];

    ck_assert_uint_eq(vetch__crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, 32);
    ck_assert_uint_eq(vetch__crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    ck_assert_uint_eq(vetch__crc32c(0, bytes, 32), 0x62a8ab43);
    ck_assert_uint_eq(vetch__crc32c(vetch__crc32c(0, "1234", 4), "56789", 5),
                      0xe3069283);
}

VT_TEST(a_checksum_covers_the_whole_header)
{
    begin_inet();
    put_tlv(0x02, "example.org", 11);
    put_crc();
    feed_well(v2, v2_len);
    for (size_t i = 16; i < v2_len; i++) {
        const char *why;

        v2[i] ^= 1;
        why = feed(v2, v2_len, v2_len);
        ck_assert_msg(why != NULL || i == v2_len - 7, "byte %zu", i);
        v2[i] ^= 1;
    }
    v2[v2_len - 1] ^= 0x80;
    feed_badly(v2, v2_len, "wrong checksum of a PROXY header");
}

VT_TEST(a_checksum_may_stand_anywhere)
{
    uint32_t crc;
    size_t at;

    begin_inet();
    put_tlv(0x03, "\0\0\0\0", 4);
    at = v2_len - 4;
    put_tlv(0x02, "example.org", 11);
    crc = htonl(vetch__crc32c(0, v2, v2_len));
    memcpy(v2 + at, &crc, 4);
    feed_well(v2, v2_len);
}

VT_TEST(malformed_binary_headers_are_refused)
{
    static const uint8_t commands[] = { 0x00, 0x11, 0x22, 0x2f, 0x31 };
    static const uint8_t families[] = { 0x01, 0x10, 0x13, 0x20, 0x23,
                                        0x30, 0x33, 0x41, 0xff };
    static const struct {
        uint8_t family;
        size_t least;
    } sizes[] = { { 0x11, 12 }, { 0x21, 36 }, { 0x31, 216 } };

    for (size_t i = 0; i < sizeof(commands); i++) {
        begin_inet();
        v2[12] = commands[i];
        feed_badly(v2, v2_len, "unknown version or command of a PROXY header");
    }
    for (size_t i = 0; i < sizeof(families); i++) {
        begin_inet();
        v2[13] = families[i];
        feed_badly(v2, v2_len, "unknown family in a PROXY header");
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin_v2(0x21, sizes[i].family);
        memset(v2 + 16, 0, 216);
        v2_len += sizes[i].least - 1;
        put("", 0);
        feed_badly(v2, v2_len, "a PROXY header is too short for its addresses");
        put("", 1);
        feed_well(v2, v2_len);
    }
    for (size_t i = 0; i < 12; i++) { /* each byte of the signature */
        begin_inet();
        v2[i] ^= 0x20;
        feed_badly(v2, v2_len, "no PROXY header");
    }
}

VT_TEST(malformed_tlvs_are_refused)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        { "\1", 1 },
        { "\1\0", 2 },
        { "\1\0\1", 3 },
        { "\1\377\377x", 4 },
        { "\4\0\0\1", 4 },
        { "\x20\0\4\1\1\1\1", 7 },             /* TLS without its head */
        { "\x20\0\6\1\0\0\0\0\x21", 9 },       /* cut inside */
        { "\x20\0\x8\1\0\0\0\0\x21\0\1", 11 }, /* the same */
        { "\x20\0\x9\1\0\0\0\0\x21\0\2x", 12 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin_inet();
        put(cases[i].bytes, cases[i].len);
        feed_badly(v2, v2_len, "malformed TLVs in a PROXY header");
    }
    begin_inet();
    put_tlv(0x03, "\0\0\0", 3);
    feed_badly(v2, v2_len, "malformed checksum in a PROXY header");
}

VT_CASE("limits", vt_tcase);

VT_TEST(a_header_that_is_too_long_is_refused_at_once)
{
    size_t room = VETCH__PROXY_MAX - 16 - 12 - 3, taken;
    static char value[VETCH__PROXY_MAX];

    begin_inet();
    put_tlv(0x04, value, room);
    ck_assert_uint_eq(v2_len, VETCH__PROXY_MAX);
    ck_assert_ptr_null(feed(v2, v2_len, 100));
    ck_assert(h.done);
    begin_inet();
    put_tlv(0x04, value, room + 1);
    memset(&h, 0, sizeof(h));
    ck_assert_str_eq(vetch__proxy_header_feed(&h, v2, 16, &taken),
                     "a PROXY header is too long");
}

VT_TEST(nothing_is_taken_behind_the_end)
{
    size_t taken = 1;

    begin_inet();
    ck_assert_ptr_null(feed(v2, v2_len, v2_len));
    ck_assert_ptr_null(vetch__proxy_header_feed(&h, "x", 1, &taken));
    ck_assert_uint_eq(taken, 0);
}
