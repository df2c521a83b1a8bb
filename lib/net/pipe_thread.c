/* What epoll refuses because it is always ready, a file or /dev/null, is read
 * and written by a thread: a disk may be slow. There is one job at a time in
 * each direction, and it owns its bytes, so that nothing has to wait for it
 * when the transport stops. The descriptor is standard input or output, which
 * nobody closes. */
#include "net/pipe-private.h"

#include <errno.h>
#include <unistd.h>

#include <vetch/executor.h>

#include "promise/watch-private.h"

struct write_job {
    int fd;
    vetch_bytes *bytes;
};

static void thread_has_read(void *ctx, vetch_promise *source);
static void thread_has_written(void *ctx, vetch_promise *source);

/* Start a job, which owns `arg`; false: the transport is over. */
static bool
start_pipe_job(struct vetch__pipe *p, struct vetch__pipe_end *e,
               vetch_job_fn fn, void *arg, vetch_free_fn free_arg,
               vetch__watch_fn done)
{
    vetch_executor *files = vetch__net_files(p->t.reactor);
    vetch_promise *job;

    if (files == NULL) {
        free_arg(arg);
        goto fail;
    }
    job = vetch_executor_submit_owned(files, fn, arg, free_arg, vetch_unref);
    e->job = vetch__watch(p->t.reactor, job, done, p);
    if (e->job != NULL)
        return true;
    vetch_promise_cancel(job);
    vetch_promise_unref(job);
fail:
    vetch__transport_over(&p->t, vetch_error_new(VETCH_ENOMEM, "a thread"),
                          false);
    return false;
}

/* ---- reading ---- */

static void *
read_by_thread(void *arg, vetch_error **ret_error)
{
    int fd = (int)(intptr_t)arg;
    vetch_bytes *bytes = vetch__bytes_resize(NULL, VETCH__INPUT_SIZE);
    vetch_bytes *fitting;
    ssize_t n;

    if (bytes == NULL) {
        *ret_error = vetch_error_new(VETCH_ENOMEM, "read");
        return NULL;
    }
    do
        n = read(fd, vetch__bytes_room(bytes), VETCH__INPUT_SIZE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        *ret_error = vetch_error_from_errno(errno, "read from stdio");
    if (n <= 0)
        return vetch_bytes_unref(bytes);
    fitting = vetch__bytes_resize(bytes, (size_t)n);
    if (fitting != NULL)
        return fitting;
    *ret_error = vetch_error_new(VETCH_ENOMEM, "read");
    return vetch_bytes_unref(bytes);
}

static void
no_read_arg(void *arg)
{
    (void)arg;
}

void
vetch__pipe_thread_read(struct vetch__pipe *p)
{
    if (p->in.bytes != NULL || p->in.ended)
        vetch__flush_later(p->t.reactor, &p->pull);
    else if (p->in.job == NULL)
        start_pipe_job(p, &p->in, read_by_thread, (void *)(intptr_t)p->in.fd,
                       no_read_arg, thread_has_read);
}

/* Give what was read to whoever wants it. */
static void
deliver_what_thread_read(struct vetch__flush *f)
{
    struct vetch__pipe *p = vetch__container(f, struct vetch__pipe, pull);
    vetch_buffer *input = &p->t.reactor->net->input;
    vetch_bytes *bytes = p->in.bytes;

    if (!vetch__transport_wants_input(&p->t)) {
        p->t.flags &= (uint16_t)~VETCH__T_READING;
        return;
    }
    vetch_transport_ref(&p->t);
    p->in.bytes = NULL;
    if (bytes == NULL)
        vetch__transport_ended(&p->t);
    else if (vetch_buffer_append(input, vetch_bytes_data(bytes),
                                 vetch_bytes_len(bytes)) == 0)
        vetch__transport_received(&p->t);
    vetch_bytes_unref(bytes);
    if ((p->t.flags & VETCH__T_READING) != 0)
        vetch__pipe_thread_read(p);
    vetch_transport_unref(&p->t);
}

static void
thread_has_read(void *ctx, vetch_promise *source)
{
    struct vetch__pipe *p = ctx;
    vetch_error *error = NULL;
    void *bytes = NULL;

    if (p == NULL) {
        vetch_promise_unref(source);
        return;
    }
    p->in.job = NULL;
    vetch__promise_take_any(source, &bytes, &error);
    if (error != NULL) {
        vetch__transport_over(&p->t, error, false);
        return;
    }
    p->in.bytes = bytes;
    p->in.ended = bytes == NULL;
    if ((p->t.flags & VETCH__T_READING) != 0)
        vetch__flush_later(p->t.reactor, &p->pull);
}

/* ---- writing ---- */

static void
free_write_job(void *arg)
{
    struct write_job *j = arg;

    vetch_bytes_unref(j->bytes);
    vetch__free(j);
}

static void *
write_by_thread(void *arg, vetch_error **ret_error)
{
    const struct write_job *j = arg;
    const char *data = vetch_bytes_data(j->bytes);
    size_t left = vetch_bytes_len(j->bytes);

    while (left > 0) {
        ssize_t n = write(j->fd, data, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            *ret_error = vetch_error_from_errno(errno, "write to stdio");
            break;
        }
        data += n;
        left -= (size_t)n;
    }
    return NULL;
}

/* The next bytes of the queue; NULL and errno. */
static vetch_bytes *
next_output(struct vetch__output *q)
{
    const struct vetch__chunk *c = q->first;
    vetch_bytes *bytes;
    size_t len =
        c->len < VETCH__INPUT_SIZE ? (size_t)c->len : VETCH__INPUT_SIZE;
    ssize_t n;

    if (c->object.state != VETCH__CHUNK_FILE)
        return vetch_bytes_new(c->at.data, len);
    bytes = vetch__bytes_resize(NULL, len);
    if (bytes == NULL)
        return NULL;
    n = pread(c->of.fd, vetch__bytes_room(bytes), len, (off_t)c->at.offset);
    if (n == (ssize_t)len)
        return bytes;
    errno = n < 0 ? errno : ENODATA; /* it is shorter than was said */
    return vetch_bytes_unref(bytes);
}

void
vetch__pipe_thread_write(struct vetch__pipe *p)
{
    struct write_job *j;
    vetch_bytes *bytes;

    p->t.flags |= VETCH__T_BLOCKED;
    if (p->out.job != NULL)
        return;
    bytes = next_output(&p->t.output);
    j = bytes != NULL ? vetch__malloc(sizeof(*j)) : NULL;
    if (j == NULL) {
        int saved = errno;

        vetch_bytes_unref(bytes);
        vetch__transport_over(
            &p->t, vetch_error_from_errno(saved, "write to stdio"), false);
        return;
    }
    j->fd = p->out.fd;
    j->bytes = bytes;
    p->under_way = vetch_bytes_len(bytes);
    start_pipe_job(p, &p->out, write_by_thread, j, free_write_job,
                   thread_has_written);
}

static void
thread_has_written(void *ctx, vetch_promise *source)
{
    struct vetch__pipe *p = ctx;
    const vetch_error *error;

    if (p == NULL) {
        vetch_promise_unref(source);
        return;
    }
    p->out.job = NULL;
    error = vetch_promise_error(source);
    if (error != NULL) {
        vetch__transport_write_failed(&p->t, vetch_error_code(error));
    } else {
        vetch__output_consume(p->t.reactor, &p->t.output, p->under_way);
        vetch__transport_writable(&p->t);
    }
    vetch_promise_unref(source);
}

/* ---- both ---- */

void
vetch__pipe_thread_init(struct vetch__pipe *p)
{
    p->pull.fn = deliver_what_thread_read;
}

static void
forget_pipe_job(struct vetch__pipe *p, struct vetch__pipe_end *e)
{
    vetch_promise *job = e->job;

    e->job = NULL;
    if (job == NULL)
        return;
    vetch__promise_cancel_node(p->t.reactor, job);
    vetch__watch_forget(job);
}

void
vetch__pipe_thread_stop(struct vetch__pipe *p)
{
    vetch__flush_cancel(&p->pull);
    forget_pipe_job(p, &p->in);
    forget_pipe_job(p, &p->out);
    p->in.bytes = vetch_bytes_unref(p->in.bytes);
}
