/* The gate in front of the parser: finds the end of a head in one bounded pass
 * over its bytes and refuses what must never reach the parser, because some
 * versions of it accept it: bare CR, bare LF, control bytes, folded lines,
 * fields without a name. A folded line of a response is not refused but joined
 * (RFC 9112, section 5.2). The gate resumes where it stopped, so that a head
 * that comes byte by byte costs no more than one that comes at once.
 *
 * A clean head holds no control bytes but CR, LF and HT, so the pass hops from
 * one control byte to the next, eight bytes at a time. */

#include "http/message/parser-private.h"

#include "http/message/scan-private.h"

static enum vetch__http_verdict
refuse_at_gate(struct vetch__http_refusal *ret, unsigned status,
               const char *why)
{
    ret->status = (uint16_t)status;
    ret->why = why;
    return VETCH__HTTP_REFUSED;
}

size_t
vetch__http_gate_skip(struct vetch__http_gate *g, const char *data, size_t len)
{
    if (g->skipped || len < 2 || data[0] != '\r' || data[1] != '\n')
        return 0;
    g->skipped = true;
    return 2;
}

/* Up to where a byte may be looked at: the end of the line or the head if it
 * is as long as it may be. */
static size_t
bound(const struct vetch__http_gate *g, const struct vetch__http_limits *limits)
{
    size_t limit = g->line == 0 ? limits->line_bytes : limits->head_bytes;

    if (limit > VETCH__HTTP_HEAD_MAX)
        limit = VETCH__HTTP_HEAD_MAX;
    return g->line == 0 ? limit + 1 : g->line + 2 + limit;
}

static enum vetch__http_verdict
too_long(const struct vetch__http_gate *g, struct vetch__http_refusal *ret)
{
    if (g->line == 0)
        return refuse_at_gate(ret, 414, "request line too long");
    return refuse_at_gate(ret, 431, "header block too large");
}

/* A control byte other than CR: only HT is allowed, and not in a request
 * line. */
static const char *
judge_control(const struct vetch__http_gate *g, char c, bool response)
{
    if (c == '\n')
        return "bare LF in the head";
    if (c != '\t')
        return "control byte in the head";
    return g->line == 0 && !response ? "tab in the request line" : NULL;
}

/* What follows a line's CRLF decides whether the head goes on. NULL: it does.
 */
static const char *
judge_line_start(char c)
{
    if (vetch__is_blank(c))
        return "folded header line";
    return c == ':' ? "header field without name" : NULL;
}

/* `unfold`: NULL for requests; else it is `data`, and a folded line is joined
 * to the one before it. */
static inline enum vetch__http_verdict
pass_gate(struct vetch__http_gate *g, const struct vetch__http_limits *limits,
          const char *data, size_t len, size_t *ret_len,
          struct vetch__http_refusal *ret, char *unfold)
{
    size_t p = g->scanned;
    size_t end = bound(g, limits);
    const char *why;

    for (;;) {
        p = vetch__scan_control(data, p, len < end ? len : end);
        if (p >= end)
            return too_long(g, ret);
        if (p >= len)
            break;
        if (data[p] != '\r') {
            why = judge_control(g, data[p], unfold != NULL);
            if (why != NULL)
                return refuse_at_gate(ret, 400, why);
            p++;
            continue;
        }
        if (len - p < 2)
            break;
        if (data[p + 1] != '\n')
            return refuse_at_gate(ret, 400, "bare CR in the head");
        if (g->line == 0) {
            if (p == 0)
                return refuse_at_gate(ret, 400, "empty first line");
            g->line = (uint32_t)p;
            end = bound(g, limits);
        }
        if (p + 2 >= end)
            return too_long(g, ret);
        if (len - p < 3)
            break;
        if (data[p + 2] == '\r') {
            if (p + 4 > end)
                return too_long(g, ret);
            if (len - p < 4)
                break;
            if (data[p + 3] != '\n')
                return refuse_at_gate(ret, 400, "bare CR in the head");
            *ret_len = p + 4;
            *g = (struct vetch__http_gate){ 0 };
            return VETCH__HTTP_DONE;
        }
        if (unfold != NULL && p > g->line && vetch__is_blank(data[p + 2])) {
            unfold[p] = unfold[p + 1] = ' ';
        } else {
            why = judge_line_start(data[p + 2]);
            if (why != NULL)
                return refuse_at_gate(ret, 400, why);
        }
        p += 2;
    }
    g->scanned = (uint32_t)p;
    return VETCH__HTTP_MORE;
}

enum vetch__http_verdict
vetch__http_gate(struct vetch__http_gate *g,
                 const struct vetch__http_limits *limits, const char *data,
                 size_t len, size_t *ret_len, struct vetch__http_refusal *ret)
{
    return pass_gate(g, limits, data, len, ret_len, ret, NULL);
}

enum vetch__http_verdict
vetch__http_gate_response(struct vetch__http_gate *g,
                          const struct vetch__http_limits *limits, char *data,
                          size_t len, size_t *ret_len,
                          struct vetch__http_refusal *ret)
{
    return pass_gate(g, limits, data, len, ret_len, ret, data);
}
