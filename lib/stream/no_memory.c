/* The stream that a getter gives when there is no memory for the one that was
 * asked for: it has failed with VETCH_ENOMEM, and is always there. One per
 * thread, because its counts are written. */
#include "stream/stream-private.h"

#include "base/error-private.h"

static uint64_t
nothing_pending(const vetch_stream *s)
{
    (void)s;
    return 0;
}

static void
never(vetch_stream *s)
{
    (void)s; /* it is OVER, and keeps a reference to itself */
}

vetch_stream *
vetch__stream_no_memory(void)
{
    static const struct vetch__stream_kind failed_kind = {
        .want = never,
        .enough = never,
        .pending = nothing_pending,
        .tell_drained = never,
        .end = never,
        .close = never,
        .abort = never,
        .free = never,
    };
    static const struct vetch__stream_limits none;
    static _Thread_local vetch_stream failed;

    if (failed.object.refs == 0) {
        vetch__stream_init(&failed, NULL, &failed_kind, &none);
        failed.object.state = VETCH__S_OVER;
        failed.in = failed.out = VETCH__HALF_BROKEN;
        failed.error = &vetch__error_no_memory;
    }
    return &failed;
}
