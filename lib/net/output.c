/* The output queue. Copied bytes fill chunks of equal size, which are recycled
 * per reactor up to a limit: the first touch of a fresh page is dear, so a
 * warm connection writes into memory that was written a moment ago. Other
 * pieces take a node of the reactor's pool. */
#include "net/output-private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SPARE = 64 };

static_assert(sizeof(struct vetch__chunk) <= VETCH__NODE_SIZE,
              "pieces that are not copied are pooled nodes");

static struct vetch__chunk *
take_chunk(struct vetch__net *net)
{
    struct vetch__chunk *c = net->spare_chunks;

    if (c != NULL) {
        if (vetch__fault()) {
            errno = ENOMEM;
            return NULL;
        }
        net->spare_chunks = c->next;
        net->n_spare_chunks--;
    } else {
        c = vetch__malloc(VETCH__CHUNK_SIZE);
        if (c == NULL)
            return NULL;
        c->object = (struct vetch__object){ .type = VETCH__CHUNK,
                                            .state = VETCH__CHUNK_COPY };
    }
    c->next = NULL;
    c->at.data = c->bytes;
    c->len = 0;
    c->room = VETCH__CHUNK_ROOM;
    return c;
}

static void
give_chunk(struct vetch__net *net, struct vetch__chunk *c)
{
    if (net->n_spare_chunks == MAX_SPARE) {
        vetch__free(c);
        return;
    }
    c->next = net->spare_chunks;
    net->spare_chunks = c;
    net->n_spare_chunks++;
}

static void
drop_chunk(vetch_reactor *r, struct vetch__chunk *c)
{
    vetch_free_fn free_fn = NULL;
    void *free_arg = NULL;

    if (c->object.state == VETCH__CHUNK_COPY) {
        give_chunk(r->net, c);
        return;
    }
    if (c->object.state == VETCH__CHUNK_PIPE) {
        vetch__conduit_give(r->net, c->of.conduit, c->len == 0);
    } else {
        free_fn = c->free_fn;
        free_arg = c->free_arg;
        if (c->object.state == VETCH__CHUNK_FILE && free_fn == NULL)
            close(c->of.fd);
    }
    vetch__pool_free(c);
    if (free_fn != NULL)
        free_fn(free_arg);
}

static void
append_chunk(struct vetch__output *q, struct vetch__chunk *c)
{
    if (q->last == NULL)
        q->first = c;
    else
        q->last->next = c;
    q->last = c;
}

char *
vetch__output_extend(vetch_reactor *r, struct vetch__output *q, size_t len)
{
    struct vetch__chunk *c;

    assert(len <= VETCH__CHUNK_ROOM);
    c = take_chunk(r->net);
    if (c == NULL)
        return NULL;
    append_chunk(q, c);
    return c->at.data + c->len;
}

/* As many chunks as hold `len` bytes, or none. */
static struct vetch__chunk *
take_chunks(struct vetch__net *net, size_t len)
{
    struct vetch__chunk *list = NULL;

    for (;;) {
        struct vetch__chunk *c = take_chunk(net);

        if (c == NULL)
            break;
        c->next = list;
        list = c;
        if (len <= VETCH__CHUNK_ROOM)
            return list;
        len -= VETCH__CHUNK_ROOM;
    }
    while (list != NULL) {
        struct vetch__chunk *next = list->next;

        give_chunk(net, list);
        list = next;
    }
    errno = ENOMEM;
    return NULL;
}

static void
copy_in(struct vetch__output *q, struct vetch__chunk **fresh, const char *data,
        size_t len)
{
    while (len > 0) {
        struct vetch__chunk *c = q->last;
        size_t n;

        if (c == NULL || c->room == 0) {
            c = *fresh;
            assert(c != NULL); /* the caller reserved enough */
            *fresh = c->next;
            c->next = NULL;
            append_chunk(q, c);
        }
        n = len < c->room ? len : c->room;
        memcpy(c->at.data + c->len, data, n);
        vetch__output_commit(q, n);
        data += n;
        len -= n;
    }
}

int
vetch__output_append(vetch_reactor *r, struct vetch__output *q,
                     const struct iovec *iov, size_t n, size_t total)
{
    size_t room = q->last != NULL ? q->last->room : 0;
    struct vetch__chunk *fresh = NULL;

    if (total > room) {
        fresh = take_chunks(r->net, total - room);
        if (fresh == NULL)
            return -1;
    }
    for (size_t i = 0; i < n; i++)
        copy_in(q, &fresh, iov[i].iov_base, iov[i].iov_len);
    return 0;
}

static struct vetch__chunk *
new_node(vetch_reactor *r, enum vetch__chunk_kind kind, uint64_t len)
{
    struct vetch__chunk *c = vetch__pool_alloc(r->pool, VETCH__CHUNK);

    if (c == NULL)
        return NULL;
    c->object.state = (uint8_t)kind;
    c->next = NULL;
    c->len = len;
    c->room = 0;
    return c;
}

int
vetch__output_append_owned(vetch_reactor *r, struct vetch__output *q,
                           const void *data, size_t len, vetch_free_fn free_fn,
                           void *free_arg)
{
    struct vetch__chunk *c = new_node(r, VETCH__CHUNK_OWNED, len);

    if (c == NULL)
        return -1;
    c->at.data = (char *)(uintptr_t)data; /* only ever read */
    c->free_fn = free_fn;
    c->free_arg = free_arg;
    append_chunk(q, c);
    q->buffered += len;
    return 0;
}

int
vetch__output_append_file(vetch_reactor *r, struct vetch__output *q, int fd,
                          uint64_t offset, uint64_t len, vetch_free_fn free_fn,
                          void *free_arg)
{
    struct vetch__chunk *c = new_node(r, VETCH__CHUNK_FILE, len);

    if (c == NULL)
        return -1;
    c->at.offset = offset;
    c->of.fd = fd;
    c->free_fn = free_fn;
    c->free_arg = free_arg;
    append_chunk(q, c);
    q->files += len;
    return 0;
}

struct vetch__chunk *
vetch__output_pipe_new(vetch_reactor *r, struct vetch__conduit *pipe)
{
    struct vetch__chunk *c = new_node(r, VETCH__CHUNK_PIPE, 0);

    if (c != NULL)
        c->of.conduit = pipe;
    else
        vetch__conduit_give(r->net, pipe, true);
    return c;
}

ssize_t
vetch__output_read_file(const struct vetch__chunk *c, char *to, size_t max)
{
    ssize_t n;

    do
        n = pread(c->of.fd, to, max, (off_t)c->at.offset);
    while (n < 0 && errno == EINTR);
    return n;
}

void
vetch__output_pipe_append(struct vetch__output *q, struct vetch__chunk *c,
                          uint64_t len)
{
    c->len = len;
    append_chunk(q, c);
    q->files += len;
}

void
vetch__output_pipe_free(vetch_reactor *r, struct vetch__chunk *c)
{
    drop_chunk(r, c);
}

size_t
vetch__output_gather(const struct vetch__output *q, struct iovec *iov,
                     size_t max, size_t *ret_total, bool *ret_more)
{
    const struct vetch__chunk *c = q->first;
    size_t n = 0, total = 0;

    while (c != NULL && n < max && c->object.state < VETCH__CHUNK_FILE) {
        iov[n].iov_base = c->at.data;
        iov[n].iov_len = c->len;
        total += c->len;
        n++;
        c = c->next;
    }
    *ret_total = total;
    *ret_more = c != NULL;
    return n;
}

void
vetch__output_consume(vetch_reactor *r, struct vetch__output *q, uint64_t len)
{
    struct vetch__chunk *c;

    while ((c = q->first) != NULL) {
        bool is_file = c->object.state >= VETCH__CHUNK_FILE;
        uint64_t n = len < c->len ? len : c->len;

        if (is_file)
            c->at.offset += n;
        else
            c->at.data += n;
        c->len -= n;
        len -= n;
        if (is_file)
            q->files -= n;
        else
            q->buffered -= n;
        if (c->len > 0)
            return;
        q->first = c->next;
        if (q->first == NULL)
            q->last = NULL;
        drop_chunk(r, c);
        if (len == 0)
            return;
    }
}

void
vetch__output_clear(vetch_reactor *r, struct vetch__output *q)
{
    struct vetch__chunk *c = q->first;

    /* Emptied first: a free function may ask how much is left. */
    *q = (struct vetch__output){ 0 };
    while (c != NULL) {
        struct vetch__chunk *next = c->next;

        drop_chunk(r, c);
        c = next;
    }
}
