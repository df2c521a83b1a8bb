/* Streams of HTTP messages, for the suite of stream_kit.h. */
#ifndef T_HTTP_STREAM_KIT_H
#define T_HTTP_STREAM_KIT_H

#include <vetch.h>

/* References to both ends; the messages live until hstk_close(). */

/* After an upgrade: both ways. */
void hstk_open_tunnel(vetch_stream **ret_client, vetch_stream **ret_server);
/* The body of a response: from the server to the client. */
void hstk_open_download(vetch_stream **ret_server, vetch_stream **ret_client);
/* The body of a request: from what the client sends to the server. */
void hstk_open_upload(vetch_stream **ret_source, vetch_stream **ret_server);
void hstk_close(void);

#endif
