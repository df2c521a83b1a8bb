/* The HTTP/1.1 engine of both client and server: bytes in, slices and verdicts
 * out; no I/O, no memory, no reactor.
 *
 * A message is read in three steps:
 *
 *   1. vetch__http_gate() looks for the end of the head, without a parser. It
 *      remembers how far it came, keeps the limits on size, and refuses what
 *      the parser behind it would let through (bare CR or LF, control bytes,
 *      folded lines of requests, nameless fields).
 *   2. vetch__http_parse_request() or _response() takes that whole head, so no
 *      slice is ever split, and refuses what RFC 9112 forbids.
 *   3. If head.framing says that a body follows: vetch__http_body_init(), then
 *      vetch__http_body_next() until it is done.
 *
 * Between messages a connection keeps nothing but the gate's few bytes. */
#ifndef VETCH_HTTP_PARSER_PRIVATE_H
#define VETCH_HTTP_PARSER_PRIVATE_H

#include "http/message/headers-private.h"

/* Why a message is refused. */
struct vetch__http_refusal {
    uint16_t status; /* what a server answers: 400, 414, … */
    const char *why; /* static text: "bare LF in the head" */
};

/* ---- the gate ---- */

struct vetch__http_limits {
    size_t line_bytes; /* of the first line, without CRLF */
    size_t head_bytes; /* of all fields with the last CRLF */
};

/* All zero: at the start of a message. */
struct vetch__http_gate {
    uint32_t scanned; /* bytes that need not be looked at again */
    uint32_t line;    /* where the first line ends (its CR), once found */
    bool skipped;     /* an empty line was skipped before it */
};

/* No limit allows more than this: offsets are 32 bits wide. */
#define VETCH__HTTP_HEAD_MAX ((size_t)1 << 28)

enum vetch__http_verdict {
    VETCH__HTTP_REFUSED = -1,
    VETCH__HTTP_MORE = 0, /* call again with more bytes */
    VETCH__HTTP_DONE = 1,
    VETCH__HTTP_PIECE = 2 /* of a body; call again */
};

/* Look at the bytes of a request from its first one. DONE: the head is whole,
 * `*ret_len` bytes long, and the gate is as new for the next message. See
 * _gate_skip() for what may stand before a request. */
enum vetch__http_verdict
vetch__http_gate(struct vetch__http_gate *g,
                 const struct vetch__http_limits *limits, const char *data,
                 size_t len, size_t *ret_len, struct vetch__http_refusal *ret);
/* The same for a response; where a line is folded, blanks replace its CRLF. */
enum vetch__http_verdict vetch__http_gate_response(
    struct vetch__http_gate *g, const struct vetch__http_limits *limits,
    char *data, size_t len, size_t *ret_len, struct vetch__http_refusal *ret);

/* How many bytes to consume before a request's first line, on each call until
 * the gate has begun: 2 for the one empty line that RFC 9112, section 2.2
 * allows, else 0. A second one is refused by the gate. */
size_t vetch__http_gate_skip(struct vetch__http_gate *g, const char *data,
                             size_t len);

/* ---- heads ---- */

enum vetch__http_framing {
    VETCH__HTTP_NO_BODY,
    VETCH__HTTP_LENGTH, /* content_length bytes; 0 is NO_BODY */
    VETCH__HTTP_CHUNKED,
    VETCH__HTTP_TO_CLOSE /* responses: until the peer ends the connection */
};

enum vetch__http_form { /* of a request's target; RFC 9112, section 3.2 */
                        VETCH__HTTP_ORIGIN,
                        VETCH__HTTP_ABSOLUTE,
                        VETCH__HTTP_AUTHORITY, /* CONNECT */
                        VETCH__HTTP_ASTERISK   /* OPTIONS */
};

struct vetch__http_head {
    /* Given by the caller: room for the fields. */
    struct vetch__http_fields fields;

    bool response;
    uint8_t minor;   /* of HTTP/1.x: 0, or 1 for all later ones */
    uint8_t framing; /* enum vetch__http_framing */
    uint8_t method;  /* requests: index for vetch__http_method_name() */
    uint8_t form;    /* requests: enum vetch__http_form */
    bool keep_alive; /* what this message says of the connection */
    bool expect_continue;
    bool upgrade; /* its fields ask for another protocol, or agree to one */
    /* Requests: the path part (of the target) has no byte that needs decoding
     * or normalising. */
    bool plain_path;
    uint16_t status;         /* responses */
    uint64_t content_length; /* valid if has_length */
    bool has_length;
    struct vetch__slice target; /* requests: as sent */
    struct vetch__slice path;   /* requests: raw, "/" at least; without `?` */
    struct vetch__slice query;  /* requests: raw, without `?` */
    struct vetch__slice host;   /* requests: Host's value; or the target's */
    struct vetch__slice reason; /* responses: may be empty */
    struct vetch__http_refusal refusal;
};

/* Parse a head that the gate let through. DONE or REFUSED (see refusal). */
enum vetch__http_verdict vetch__http_parse_request(struct vetch__http_head *h,
                                                   const char *data,
                                                   size_t len);
/* The same for a response; `to_head`: it answers a HEAD request, so no body
 * follows whatever it announces. A 1xx status is informational (a 101 too):
 * count it with vetch__http_informational() and read the next head. */
enum vetch__http_verdict vetch__http_parse_response(struct vetch__http_head *h,
                                                    const char *data,
                                                    size_t len, bool to_head);
/* False if that was one informational response too many; `*count` starts at
 * zero for each request. */
bool vetch__http_informational(unsigned *count);

/* Static, NUL-terminated; NULL for any other. */
const char *vetch__http_method_name(uint8_t method);
/* The index of a method by its name (case counts), -1 for an unknown one. */
int vetch__http_method_find(const char *name, size_t len);
enum {
    VETCH__HTTP_DELETE = 0,
    VETCH__HTTP_GET = 1,
    VETCH__HTTP_HEAD = 2,
    VETCH__HTTP_POST = 3,
    VETCH__HTTP_PUT = 4,
    VETCH__HTTP_CONNECT = 5,
    VETCH__HTTP_OPTIONS = 6,
    VETCH__HTTP_TRACE = 7,
    VETCH__HTTP_METHODS = 34
};

/* ---- bodies ---- */

struct vetch__http_body {
    uint8_t framing;
    bool response;
    uint8_t state;      /* of the chunk decoder */
    uint8_t digits;     /* of the chunk size, so far */
    uint16_t extension; /* bytes of this chunk's extensions */
    uint16_t trailers;  /* fields in the trailer section */
    uint16_t trailer_bytes;
    uint32_t extensions; /* bytes of all extensions */
    uint32_t scanned;    /* of an unfinished trailer line */
    uint64_t left;       /* bytes of the body or of the chunk */
    uint64_t payload;    /* bytes of content so far */
    uint64_t overhead;   /* bytes of framing so far */
    struct vetch__http_refusal refusal;
};

/* What one call of _body_next() found. */
struct vetch__http_piece {
    size_t used;      /* bytes of the input to consume, framing included */
    const char *data; /* PIECE: content, a part of the input */
    size_t len;       /* never 0 for PIECE */
};

void vetch__http_body_init(struct vetch__http_body *b,
                           const struct vetch__http_head *h);
/* Take the next bytes of a body. In each case consume ret->used bytes first.
 * PIECE: content; call again with what follows. MORE: with more bytes. DONE:
 * the body (trailers included: they are checked and dropped) has ended.
 * REFUSED: see b->refusal; that is final, and the connection must not be used
 * again. */
enum vetch__http_verdict vetch__http_body_next(struct vetch__http_body *b,
                                               const char *data, size_t len,
                                               struct vetch__http_piece *ret);
/* The peer ended the connection. True if that ends the body in good order,
 * false if the body is truncated. */
bool vetch__http_body_eof(const struct vetch__http_body *b);

#endif
