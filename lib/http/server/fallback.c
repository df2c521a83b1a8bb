/* Responses that no handler gives: refusals, what is said where no route fits,
 * and which methods there are (RFC 9110, section 9.3.7). */

#include "http/server/server-private.h"

#include <stdio.h>

void
vetch__http_refuse_request(struct vetch__http_conn *c, vetch_http_request *r,
                           unsigned status, const char *why)
{
    c->last = true;
    vetch__http_request_enlist(c, r);
    r->life = VETCH__R_OVER;
    r->close = true;
    r->body_done = true;
    vetch__http_reply_error(r, status, why);
}

void
vetch__http_refuse(struct vetch__http_conn *c, unsigned status, const char *why)
{
    vetch_http_request *r = vetch__http_request_take(c->server);

    if (r != NULL)
        vetch__http_refuse_request(c, r, status, why);
    else
        vetch__http_conn_abort(c);
}

/* The methods that the path has. */
static void
set_allow(vetch_http_request *r)
{
    char value[512];
    size_t n = 0;
    unsigned i;

    for (i = 0; i < VETCH__HTTP_METHODS; i++) {
        const char *name = vetch__http_method_name((uint8_t)i);

        if ((r->match.allowed >> i & 1) != 0)
            n += (size_t)snprintf(value + n, sizeof(value) - n, "%s%s",
                                  n > 0 ? ", " : "", name);
    }
    vetch_http_reply_set_header(r, "Allow", value);
}

void
vetch__http_fall_back(vetch_http_request *r, unsigned status)
{
    struct vetch__http_conn *c = r->conn;

    r->life = VETCH__R_OVER;
    r->body_done = r->head.framing == VETCH__HTTP_NO_BODY;
    if (status == 400) /* a path that means nothing: trust it no further */
        r->close = true;
    if (status == 405 || status == 200)
        set_allow(r);
    if (status != 200)
        vetch__http_reply_error(r, status, NULL);
    else if (vetch_http_reply(r, 200, NULL, NULL, 0) < 0)
        vetch__http_conn_abort(c);
}
