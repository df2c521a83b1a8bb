/* Which release function belongs to which kind of object. This stands above
 * all layers: it is the one place that knows every kind. */

#include <vetch/types.h>

#include <vetch/buffer.h>
#include <vetch/combinators.h>
#include <vetch/descriptor.h>
#include <vetch/error.h>
#include <vetch/event.h>
#include <vetch/executor.h>
#include <vetch/http_client.h>
#include <vetch/http_server.h>
#include <vetch/listener.h>
#include <vetch/process.h>
#include <vetch/promise.h>
#include <vetch/queue.h>
#include <vetch/reactor.h>
#include <vetch/resolver.h>
#include <vetch/scope.h>
#include <vetch/semaphore.h>
#include <vetch/stream.h>
#include <vetch/timer.h>
#include <vetch/tls.h>
#include <vetch/transport.h>
#include <vetch/udp.h>
#include <vetch/url.h>

#include "base/check-private.h"
#include "base/object-private.h"

void
vetch_unref(void *object)
{
    struct vetch__object *o = object;

    if (o == NULL)
        return;
    switch (o->type) {
    case VETCH__ERROR:
        vetch_error_unref(object);
        return;
    case VETCH__BYTES:
        vetch_bytes_unref(object);
        return;
    case VETCH__PROMISE:
        vetch_promise_unref(object);
        return;
    case VETCH__DEFERRED:
        vetch_deferred_unref(object);
        return;
    case VETCH__RESULTS:
        vetch_results_unref(object);
        return;
    case VETCH__SEMAPHORE:
        vetch_semaphore_unref(object);
        return;
    case VETCH__EVENT:
        vetch_event_unref(object);
        return;
    case VETCH__QUEUE:
        vetch_queue_unref(object);
        return;
    case VETCH__SCOPE:
        vetch_scope_unref(object);
        return;
    case VETCH__SLOT:
        vetch_slot_release(object);
        return;
    case VETCH__ADDRESSES:
        vetch_addresses_unref(object);
        return;
    case VETCH__TRANSPORT:
        vetch_transport_unref(object);
        return;
    case VETCH__LISTENER:
        vetch_listener_unref(object);
        return;
    case VETCH__STOP_REPORT:
        vetch_stop_report_unref(object);
        return;
    case VETCH__TLS:
        vetch_tls_unref(object);
        return;
    case VETCH__UDP:
        vetch_udp_unref(object);
        return;
    case VETCH__DATAGRAM:
        vetch_datagram_unref(object);
        return;
    case VETCH__DATAGRAMS:
        vetch_datagrams_unref(object);
        return;
    case VETCH__STREAM:
        vetch_stream_unref(object);
        return;
    case VETCH__PROCESS:
        vetch_process_unref(object);
        return;
    case VETCH__PROCESS_RESULT:
        vetch_process_result_unref(object);
        return;
    case VETCH__HTTP_SERVER:
        vetch_http_server_unref(object);
        return;
    case VETCH__REACTOR:
        vetch_reactor_unref(object);
        return;
    case VETCH__TIMER:
        vetch_timer_unref(object);
        return;
    case VETCH__EXECUTOR:
        vetch_executor_unref(object);
        return;
    case VETCH__DESCRIPTOR:
        vetch_descriptor_unref(object);
        return;
    case VETCH__URL:
        vetch_url_unref(object);
        return;
    case VETCH__HTTP_CLIENT:
        vetch_http_client_unref(object);
        return;
    case VETCH__HTTP_RESPONSE:
        vetch_http_response_unref(object);
        return;
    default:
        vetch__misuse("vetch_unref", "the argument is an object of vetch");
    }
}
