/* Pairs of streams of every kind, for one suite that runs over all of them. */
#ifndef T_STREAM_KIT_H
#define T_STREAM_KIT_H

#include "support/harness.h"

/* How many kinds there are: a case that has this as its `loops` runs each test
 * over all of them. */
#ifdef HAVE_OPENSSL
#define SK_KINDS 11
#else
#define SK_KINDS 10
#endif

/* The two ends. A test that releases one sets it to NULL. */
extern vetch_stream *sk_a, *sk_b;

/* Make a pair of the i-th kind: joined in memory, TCP, Unix socket, made of a
 * class of functions, compressed both ways, two pipes, two pipes that one end
 * takes for standard input and output; what is left of HTTP after an upgrade,
 * the body of a response, the body of a request; with TLS in memory. */
void sk_open(int kind);
void sk_open_with(int kind, const vetch_stream_options *options);
enum { SK_OWN = 3, SK_GZIP = 4, SK_TUNNEL = 7, SK_DOWNLOAD = 8, SK_UPLOAD = 9 };
/* Whether bytes go from a to b only, and nothing comes back. */
bool sk_is_one_way(int kind);
/* Whether the streams belong to a message: they take no options, and the last
 * reference is not the test's. */
bool sk_is_borrowed(int kind);
/* Whether the far side of this kind can tell a reset from an end. */
bool sk_has_resets(int kind);
/* End it without waiting for that. */
void sk_end(vetch_stream *s);
/* For .take_down: release what the test has left. */
void sk_close(void);

/* Run until `p` has settled, and expect this of it; all consume it. */
void sk_expect_text(vetch_promise *p, const char *text);
void sk_expect_end(vetch_promise *p); /* or no value, of what has none */
void sk_expect_error(vetch_promise *p, int code);
vetch_bytes *sk_value(vetch_promise *p);

#endif
