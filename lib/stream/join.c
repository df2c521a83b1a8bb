/* Two streams joined: a copy each way.
 *
 * The failure of one way ends both, but for one: who has said all and hung up,
 * as servers on Unix sockets do, can be written to no more, and what he said
 * has still to be passed on. If nothing was lost that way has simply ended. */
#include "stream/stream-private.h"

#include <errno.h>

#include <vetch/combinators.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"

struct way {
    vetch_stream *from, *to;
};

struct join {
    struct way there, back;
};

static vetch_promise *
way_failed(const vetch_error *error, void *ctx)
{
    const struct way *w = ctx;

    (void)error;
    if (w->to->out == VETCH__HALF_BROKEN && w->to->in != VETCH__HALF_BROKEN &&
        (w->to->flags & VETCH__S_LOST_WRITE) == 0 &&
        w->from->in != VETCH__HALF_BROKEN &&
        vetch__stream_available(w->from) == 0)
        return NULL;
    return vetch_same();
}

static vetch_promise *
go_one_way(struct way *w, vetch_stream *from, vetch_stream *to)
{
    w->from = from;
    w->to = to;
    return vetch_catch(vetch_stream_copy(from, to, NULL), way_failed, w);
}

static vetch_promise *
joined(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return NULL;
}

static vetch_promise *
join_failed(const vetch_error *error, void *ctx)
{
    struct join *j = ctx;

    (void)error;
    vetch_stream_abort(j->there.from);
    vetch_stream_abort(j->there.to);
    return vetch_same();
}

static void
free_join(void *ctx)
{
    struct join *j = ctx;

    vetch__stream_let_go(j->there.from);
    vetch__stream_let_go(j->there.to);
    vetch__free(j);
}

vetch_promise *
vetch_stream_join(vetch_stream *a, vetch_stream *b)
{
    vetch_promise *both[2];
    struct join *j;

    VETCH_CHECK(a != NULL && b != NULL, EINVAL, &vetch__misused);
    j = vetch__malloc(sizeof(*j));
    if (j == NULL)
        return &vetch__no_memory;
    vetch__stream_hold(a);
    vetch__stream_hold(b);
    both[0] = go_one_way(&j->there, a, b);
    both[1] = go_one_way(&j->back, b, a);
    return vetch_finally(
        vetch_handle(vetch_all(both, 2), joined, join_failed, j), free_join, j);
}
