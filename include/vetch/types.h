/* The opaque types, and the callbacks that several concepts share.
 *
 * Words used in every header (vetch(7) explains them):
 *   borrows   the argument stays yours; valid during the call, or as said
 *   consumes  takes your reference whatever happens
 *   takes     takes it on success, leaves it with you on failure
 *   Thread: reactor  only on the thread of the reactor concerned
 *   Thread: any      from every thread
 * Constructors return NULL and other calls -1, both with errno set, when they
 * fail on the spot. Functions that return a promise never return NULL. */
#ifndef VETCH_TYPES_H
#define VETCH_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vetch/export.h>

/* No limit, for sizes and counts; for seconds that is INFINITY of <math.h>. */
#define VETCH_NO_LIMIT SIZE_MAX

struct event_base;

typedef struct vetch_error vetch_error;
typedef struct vetch_buffer vetch_buffer;
typedef struct vetch_bytes vetch_bytes;
typedef struct vetch_reactor vetch_reactor;
typedef struct vetch_timer vetch_timer;
typedef struct vetch_descriptor vetch_descriptor;
typedef struct vetch_promise vetch_promise;
typedef struct vetch_deferred vetch_deferred;
typedef struct vetch_results vetch_results;
typedef struct vetch_completions vetch_completions;
typedef struct vetch_semaphore vetch_semaphore;
typedef struct vetch_slot vetch_slot;
typedef struct vetch_event vetch_event;
typedef struct vetch_queue vetch_queue;
typedef struct vetch_scope vetch_scope;
typedef struct vetch_executor vetch_executor;
typedef struct vetch_addresses vetch_addresses;
typedef struct vetch_protocol vetch_protocol;
typedef struct vetch_transport vetch_transport;
typedef struct vetch_listener vetch_listener;
typedef struct vetch_tls vetch_tls;
typedef struct vetch_stream vetch_stream;
typedef struct vetch_filter vetch_filter;
typedef struct vetch_process vetch_process;
typedef struct vetch_process_result vetch_process_result;
typedef struct vetch_stop_report vetch_stop_report;
typedef struct vetch_udp vetch_udp;
typedef struct vetch_datagram vetch_datagram;
typedef struct vetch_datagrams vetch_datagrams;
typedef struct vetch_url vetch_url;
typedef struct vetch_http_client vetch_http_client;
typedef struct vetch_http_call vetch_http_call;
typedef struct vetch_http_response vetch_http_response;
typedef struct vetch_http_server vetch_http_server;
typedef struct vetch_http_request vetch_http_request;

/* Gives back one object; free(3) fits, and so does vetch_unref(). */
typedef void (*vetch_free_fn)(void *object);

/* A plain callback. */
typedef void (*vetch_call_fn)(void *ctx);

VETCH_BEGIN_DECLS

/* Release one reference to any reference-counted object of the library: the
 * vetch_free_fn to pass where one is asked for.
 *
 * Ownership: consumes `object`; NULL does nothing.
 * Thread:    reactor (errors and byte strings: the thread that holds them). */
VETCH_EXPORT void vetch_unref(void *object);

VETCH_END_DECLS

#endif
