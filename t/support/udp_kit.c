/* Datagram sockets for the tests of lib/net. */
#include "support/udp_kit.h"

#include <errno.h>
#include <string.h>

vetch_udp *
uk_bound(enum uk_kind kind, const vetch_udp_options *options)
{
    const char *where =
        kind == UK_UDP ? "udp:127.0.0.1:0" : "unixgram:@vetch-test-udp";
    vetch_udp *u = vetch_udp_new(where, options);

    ck_assert_msg(u != NULL, "%s: %s", where, strerror(errno));
    return u;
}

vetch_udp *
uk_connected(const vetch_udp *to, const vetch_udp_options *options)
{
    vetch_error *error;
    vetch_udp *u =
        vetch_run(vetch_udp_connect(vetch_udp_endpoint(to), options), &error);

    ck_assert_msg(u != NULL, "%s", vetch_error_text(error));
    return u;
}

vetch_udp_message
uk_message(const char *text)
{
    return (vetch_udp_message){ .size = sizeof(vetch_udp_message),
                                .data = text,
                                .len = strlen(text) };
}

void
uk_send(vetch_udp *u, const char *text)
{
    vetch_udp_message message = uk_message(text);

    ck_assert_msg(vetch_udp_send(u, &message, 1) == 1, "%s", strerror(errno));
}

void
uk_answer(vetch_udp *u, const vetch_datagram *d, const char *text)
{
    vetch_udp_message message = uk_message(text);

    message.to = vetch_datagram_peer(d, &message.to_len);
    ck_assert_msg(vetch_udp_send(u, &message, 1) == 1, "%s", strerror(errno));
}

vetch_datagram *
uk_receive(vetch_udp *u)
{
    vetch_error *error;
    vetch_datagram *d = vetch_run(vetch_udp_receive(u), &error);

    ck_assert_msg(d != NULL, "%s", vetch_error_text(error));
    return d;
}

void
uk_assert_text(const vetch_datagram *d, const char *text)
{
    size_t len;
    const void *data = vetch_datagram_data(d, &len);

    ck_assert_uint_eq(len, strlen(text));
    ck_assert_mem_eq(data, text, len);
    ck_assert(!vetch_datagram_is_truncated(d));
}

void
uk_expect(vetch_udp *u, const char *text)
{
    vetch_datagram *d = uk_receive(u);

    uk_assert_text(d, text);
    vetch_datagram_unref(d);
}

void
uk_expect_error(vetch_udp *u, int code)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(vetch_udp_receive(u), &error));
    ck_assert_msg(vetch_error_is(error, code), "%s", vetch_error_text(error));
    vetch_error_unref(error);
}
