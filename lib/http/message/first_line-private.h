/* The first line of a head: request line or status line. */
#ifndef VETCH_HTTP_FIRST_LINE_PRIVATE_H
#define VETCH_HTTP_FIRST_LINE_PRIVATE_H

#include "http/message/parser-private.h"

/* REFUSED, for this reason. */
enum vetch__http_verdict vetch__http_refuse_head(struct vetch__http_head *h,
                                                 unsigned status,
                                                 const char *why);

/* Judge a line of `len` bytes, without its CRLF: DONE or REFUSED.
 * `*ret_authority` is that of an absolute target, else empty. */
enum vetch__http_verdict
vetch__http_request_line(struct vetch__http_head *h, const char *data,
                         size_t len, struct vetch__slice *ret_authority);
enum vetch__http_verdict vetch__http_status_line(struct vetch__http_head *h,
                                                 const char *data, size_t len);

#endif
