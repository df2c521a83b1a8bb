/* What is known about status codes. */
#ifndef VETCH_HTTP_STATUS_PRIVATE_H
#define VETCH_HTTP_STATUS_PRIVATE_H

/* The reason phrase; "" for a status without a known one. Static. */
const char *vetch__http_reason(unsigned status);

#endif
