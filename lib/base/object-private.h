/* What every object of the library begins with: its kind, by which
 * vetch_unref() finds how to release it, and its reference count. Counts are
 * plain integers: an object belongs to one thread at a time. */
#ifndef VETCH_OBJECT_PRIVATE_H
#define VETCH_OBJECT_PRIVATE_H

#include <stdint.h>

enum vetch__type {
    VETCH__FREED = 0, /* in a pool's free list */
    VETCH__ERROR = 0x7e01,
    VETCH__BYTES,
    VETCH__REACTOR,
    VETCH__TIMER,
    VETCH__DESCRIPTOR,
    VETCH__PROMISE,
    VETCH__DEFERRED, /* the second header of a promise's node */
    VETCH__CALL,     /* a callback on the ready queue */
    VETCH__RESULTS,
    VETCH__SEMAPHORE,
    VETCH__SLOT,
    VETCH__EVENT,
    VETCH__QUEUE,
    VETCH__SCOPE,
    VETCH__EXECUTOR,
    VETCH__JOB, /* in the pool, but nobody has a pointer to it */
    VETCH__ADDRESSES,
    VETCH__TRANSPORT,
    VETCH__CHUNK, /* a piece of a transport's output */
    VETCH__LISTENER,
    VETCH__STOP_REPORT,
    VETCH__UDP,
    VETCH__DATAGRAM,
    VETCH__DATAGRAMS,
    VETCH__URL,
    VETCH__TLS,
    VETCH__STREAM,
    VETCH__PROCESS,
    VETCH__PROCESS_RESULT,
    VETCH__HTTP_CLIENT,
    VETCH__HTTP_RESPONSE,
    VETCH__HTTP_SERVER
};

struct vetch__object {
    uint16_t type;
    uint8_t state; /* these two are the object's own */
    uint8_t flags;
    uint32_t refs;
};

/* References to an immortal object are not counted. */
#define VETCH__IMMORTAL UINT32_MAX

#endif
