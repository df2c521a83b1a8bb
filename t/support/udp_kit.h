/* Datagram sockets for the tests of lib/net. */
#ifndef T_UDP_KIT_H
#define T_UDP_KIT_H

#include "support/harness.h"

/* One that is bound, and one that is connected to it: on 127.0.0.1, or (_i of a
 * test) with abstract Unix names. */
enum uk_kind { UK_UDP, UK_UNIX, UK_KINDS };
vetch_udp *uk_bound(enum uk_kind kind, const vetch_udp_options *options);
vetch_udp *uk_connected(const vetch_udp *to, const vetch_udp_options *options);

/* What is to be sent: a text to the connected peer. */
vetch_udp_message uk_message(const char *text);
/* Send a text, which works. */
void uk_send(vetch_udp *u, const char *text);
/* The same, back to whoever sent `d`. */
void uk_answer(vetch_udp *u, const vetch_datagram *d, const char *text);

/* The next datagram; that it is this one. */
vetch_datagram *uk_receive(vetch_udp *u);
void uk_assert_text(const vetch_datagram *d, const char *text);
void uk_expect(vetch_udp *u, const char *text);
/* The next receive fails so. */
void uk_expect_error(vetch_udp *u, int code);

#endif
