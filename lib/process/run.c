/* A command from its start to what came of it.
 *
 * Up to four things are waited for: the input to be written, the output and the
 * errors to be read, the child to be reaped. The first that fails cancels the
 * others, and that stops the child; the promise is settled when all four have.
 * Once the child was reaped the others have a moment left: then the input is
 * given up, and what was read by then is the output. */
#include <vetch/process.h>

#include <errno.h>
#include <string.h>

#include <vetch/stream.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "process/process-private.h"
#include "promise/watch-private.h"
#include "stream/stream-private.h"

struct vetch_process_result {
    struct vetch__object object;
    int status;
    vetch_bytes *output, *errors;
};

struct run;

struct run_part {
    struct run *run;
    vetch_promise *watch; /* NULL: it is done, or there is no such part */
    vetch_stream *stream; /* what is read; the process has it */
    vetch_bytes **bytes;  /* where that goes */
    struct vetch__watch_room room;
};

struct run {
    vetch_reactor *reactor;
    vetch_deferred *deferred;
    vetch_process *process;
    vetch_process_result *result;
    vetch_error *error;
    struct vetch__timer drain;
    uint64_t drain_ns;
    unsigned n_pending;
    bool canceled, failed, drained;
    struct run_part input, output, errors;
    struct vetch__process_waiter exit;
};

/* ---- the result ---- */

vetch_process_result *
vetch_process_result_ref(vetch_process_result *r)
{
    if (r != NULL)
        r->object.refs++;
    return r;
}

vetch_process_result *
vetch_process_result_unref(vetch_process_result *r)
{
    if (r == NULL || --r->object.refs > 0)
        return NULL;
    vetch_bytes_unref(r->output);
    vetch_bytes_unref(r->errors);
    vetch__free(r);
    return NULL;
}

int
vetch_process_result_status(const vetch_process_result *r)
{
    VETCH_CHECK(r != NULL, EINVAL, -1);
    return r->status;
}

vetch_bytes *
vetch_process_result_output(const vetch_process_result *r)
{
    VETCH_CHECK(r != NULL, EINVAL, NULL);
    return r->output;
}

vetch_bytes *
vetch_process_result_errors(const vetch_process_result *r)
{
    VETCH_CHECK(r != NULL, EINVAL, NULL);
    return r->errors;
}

static vetch_process_result *
new_process_result(void)
{
    vetch_process_result *r = vetch__calloc(1, sizeof(*r));

    if (r != NULL)
        r->object =
            (struct vetch__object){ .type = VETCH__PROCESS_RESULT, .refs = 1 };
    return r;
}

/* ---- stopping ---- */

static void
cancel_part(struct run_part *part)
{
    if (part->watch != NULL)
        vetch__promise_cancel_node(part->run->reactor, part->watch);
}

/* The first cause is kept. Consumes `error`. */
static void
fail_run(struct run *run, vetch_error *error)
{
    if (run->error == NULL)
        run->error = error;
    else
        vetch_error_unref(error);
    if (run->failed)
        return;
    run->failed = true;
    cancel_part(&run->input);
    cancel_part(&run->output);
    cancel_part(&run->errors);
    vetch__process_stop(run->process);
}

static void
cancel_run(vetch_deferred *d, void *ctx)
{
    struct run *run = ctx;

    (void)d;
    run->canceled = true;
    fail_run(run, NULL);
}

static void
drain_is_over(struct vetch__timer *timer)
{
    struct run *run = vetch__container(timer, struct run, drain);

    run->drained = true;
    cancel_part(&run->input);
    cancel_part(&run->output);
    cancel_part(&run->errors);
}

/* ---- the parts ---- */

static void
free_run(struct run *run)
{
    vetch__timer_stop(run->reactor, &run->drain);
    vetch_process_unref(run->process);
    vetch_process_result_unref(run->result);
    vetch_error_unref(run->error);
    vetch_deferred_unref(run->deferred);
    vetch__free(run);
}

static void
settle_run(struct run *run)
{
    vetch_deferred *d = run->deferred;
    vetch_process_result *result = run->result;
    vetch_error *error = run->error;

    if (run->canceled) {
        vetch_deferred_cancel(d);
    } else if (run->failed) {
        run->error = NULL;
        vetch_deferred_reject(d, error);
    } else {
        run->result = NULL;
        vetch_deferred_resolve(d, result, vetch_unref);
    }
    free_run(run);
}

static void
part_is_done(struct run_part *part)
{
    part->watch = NULL;
}

static void
one_part_less(struct run *run)
{
    if (--run->n_pending == 0)
        settle_run(run);
}

/* What it does not read is not wanted, and nothing was written in vain that its
 * status does not tell of. */
static void
input_is_written(void *ctx, vetch_promise *source)
{
    struct run_part *part = ctx;
    struct run *run = part->run;
    const vetch_error *error = vetch_promise_error(source);

    part_is_done(part);
    if (error != NULL && !run->drained && !vetch_error_is(error, EPIPE))
        fail_run(run, vetch_error_ref(error));
    vetch_promise_unref(source);
    one_part_less(run);
}

/* What was read before somebody lost patience. NULL: no memory. */
static vetch_bytes *
read_so_far(vetch_stream *s)
{
    size_t len = vetch__stream_available(s);
    vetch_error *error = NULL;
    void *bytes = NULL;

    if (len == 0)
        return vetch_bytes_new("", 0);
    vetch__promise_take_any(vetch_stream_read_exactly(s, len), &bytes, &error);
    vetch_error_unref(error);
    return bytes;
}

static void
output_is_read(void *ctx, vetch_promise *source)
{
    struct run_part *part = ctx;
    struct run *run = part->run;
    vetch_error *error = NULL;
    void *bytes = NULL;

    part_is_done(part);
    vetch__promise_take_any(source, &bytes, &error);
    if (run->drained && vetch_error_is(error, VETCH_ECANCELED)) {
        vetch_error_unref(error);
        bytes = read_so_far(part->stream);
        error = bytes == NULL ? vetch_error_new(VETCH_ENOMEM, "output") : NULL;
    }
    if (error != NULL) {
        fail_run(run, error);
    } else {
        vetch_bytes_unref(*part->bytes);
        *part->bytes = bytes;
    }
    one_part_less(run);
}

/* What is left gets a moment. */
static void
drain_run(struct run *run)
{
    if (run->n_pending > 0 && !run->failed &&
        (run->drain_ns == 0 ||
         vetch__timer_start(run->reactor, &run->drain, run->drain_ns,
                            drain_is_over) < 0))
        drain_is_over(&run->drain);
}

static void
process_of_run_has_ended(struct vetch__process_waiter *w, int status,
                         int errnum)
{
    struct run *run = vetch__container(w, struct run, exit);

    run->result->status = status;
    if (errnum != 0)
        fail_run(run, vetch__process_error(run->process, errnum));
    if (--run->n_pending == 0)
        settle_run(run);
    else
        drain_run(run);
}

static void
wait_for_exit(struct run *run)
{
    run->n_pending++;
    run->exit.fn = process_of_run_has_ended;
    if (!vetch__process_wait(run->process, &run->exit))
        process_of_run_has_ended(&run->exit, 0, ECHILD);
}

/* Wait for `p`, which is consumed. */
static void
begin_part(struct run *run, struct run_part *part, vetch_promise *p,
           vetch__watch_fn fn)
{
    part->run = run;
    part->watch = vetch__room_watch(&part->room);
    run->n_pending++;
    vetch__watch_in(run->reactor, &part->room, p, fn, part);
}

static void
read_part(struct run *run, struct run_part *part, vetch_stream *s, size_t limit,
          vetch_bytes **bytes)
{
    part->stream = s;
    part->bytes = bytes;
    if (s != NULL)
        begin_part(run, part, vetch_stream_read_all(s, limit), output_is_read);
}

static void
write_input(struct run *run, const void *input, size_t len)
{
    vetch_stream *s = vetch_process_input(run->process);

    if (s == NULL)
        return;
    if (input != NULL)
        vetch_stream_write(s, input, len); /* the end rejects if it failed */
    begin_part(run, &run->input, vetch_stream_end(s), input_is_written);
}

/* ---- starting ---- */

/* What goes elsewhere is empty here; what is read takes the place of that. */
static int
prepare_result(struct run *run)
{
    run->result = new_process_result();
    if (run->result == NULL)
        return -1;
    run->result->output = vetch_bytes_new("", 0);
    run->result->errors = vetch_bytes_new("", 0);
    return run->result->output != NULL && run->result->errors != NULL ? 0 : -1;
}

/* NULL and errno. */
static struct run *
start_run(const vetch_process_options *o)
{
    struct run *run = vetch__calloc(1, sizeof(*run));
    int saved;

    if (run == NULL)
        return NULL;
    run->reactor = vetch__reactor;
    run->drain_ns = vetch__seconds(o->drain_seconds);
    run->deferred = vetch_deferred_new(cancel_run, run);
    if (run->deferred == NULL)
        goto fail;
    if (prepare_result(run) < 0)
        goto fail;
    run->process = vetch__process_start(o);
    if (run->process != NULL)
        return run;
fail:
    saved = errno;
    vetch_process_result_unref(run->result);
    if (run->deferred != NULL)
        vetch_deferred_cancel(run->deferred); /* nobody has seen it */
    vetch_deferred_unref(run->deferred);
    vetch__free(run);
    errno = saved;
    return NULL;
}

static void
collect_by_default(int *what)
{
    if (*what == VETCH_STDIO_DEFAULT)
        *what = VETCH_STDIO_STREAM;
}

vetch_promise *
vetch_process_run(const vetch_process_options *options, const void *input,
                  size_t len)
{
    vetch_process_options o;
    struct run *run;
    vetch_promise *p;

    VETCH_CHECK(options != NULL && (input != NULL || len == 0), EINVAL,
                &vetch__misused);
    if (vetch__process_options_get(options, &o) < 0 ||
        o.output_limit_bytes == 0 || o.errors_limit_bytes == 0)
        return vetch__failed(EINVAL, "run");
    if (input != NULL)
        o.input = VETCH_STDIO_STREAM;
    if (o.input == VETCH_STDIO_DEFAULT)
        o.input = VETCH_STDIO_NULL;
    collect_by_default(&o.output);
    collect_by_default(&o.errors);
    run = start_run(&o);
    if (run == NULL)
        return vetch__failed(errno, o.argv[0]);
    p = vetch_deferred_promise(run->deferred);
    VETCH__NAME(p, "run %s", o.argv[0]);
    run->n_pending++; /* until all have begun */
    read_part(run, &run->output, vetch_process_output(run->process),
              o.output_limit_bytes, &run->result->output);
    read_part(run, &run->errors, vetch_process_errors(run->process),
              o.errors_limit_bytes, &run->result->errors);
    write_input(run, input, len);
    wait_for_exit(run);
    one_part_less(run);
    return p;
}
