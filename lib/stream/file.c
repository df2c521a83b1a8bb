/* Files: what a program calls. Each call is a job of an executor that has no
 * others, so that a slow disk holds up neither the loop, nor name resolution,
 * nor the program's own jobs. */
#include "stream/file-private.h"

#include <errno.h>

#include <vetch/executor.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"
#include "net/net-private.h"
#include "promise/watch-private.h"

vetch_executor *
vetch__file_executor(vetch_reactor *r)
{
    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    return vetch__net_files(r);
}

/* What a job of one call works on. */
struct file_job {
    struct vetch__file *file;
    vetch_file_options options;
    size_t limit;
    vetch_bytes *data;
};

static void
free_file_job(void *job)
{
    struct file_job *j = job;

    vetch__file_release(j->file);
    vetch_bytes_unref(j->data);
    vetch__free(j);
}

static struct file_job *
new_file_job(const char *path, unsigned flags)
{
    struct file_job *j = vetch__calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    j->file = vetch__file_new(path, flags);
    if (j->file != NULL)
        return j;
    vetch__free(j);
    return NULL;
}

static vetch_promise *
start_file_job(struct file_job *j, vetch_job_fn fn)
{
    vetch_executor *e = vetch__file_executor(vetch__reactor);

    return e != NULL ? vetch_executor_submit(e, fn, j, vetch_unref)
                     : vetch__failed(errno, j->file->path);
}

/* ---- giving a file back ---- */

static void *
free_file_on_thread(void *arg, vetch_error **ret_error)
{
    struct vetch__file **file = arg;

    (void)ret_error;
    vetch__file_free(*file);
    *file = NULL;
    return NULL;
}

static void
free_file_anyway(void *arg)
{
    struct vetch__file **file = arg;

    if (*file != NULL)
        vetch__file_free(*file);
    vetch__free(file);
}

/* To close what nobody wanted can take the disk long. */
void
vetch__file_release(struct vetch__file *f)
{
    struct vetch__file **file;
    vetch_executor *e;
    vetch_promise *p;

    if (--f->refs > 0)
        return;
    file = f->fd >= 0 && (f->flags & VETCH_FILE_REPLACE) != 0
               ? vetch__malloc(sizeof(*file))
               : NULL;
    e = file != NULL ? vetch__file_executor(vetch__reactor) : NULL;
    if (e == NULL) {
        vetch__free(file);
        vetch__file_free(f);
        return;
    }
    *file = f;
    p = vetch_executor_submit(e, free_file_on_thread, file, NULL);
    if (vetch_promise_error(p) != NULL)
        free_file_anyway(file); /* here and now, if it cannot be there */
    else
        p = vetch_finally(p, free_file_anyway, file);
    vetch_promise_unref(p);
}

void
vetch__file_release_shared(void *f)
{
    vetch__file_release(f);
}

/* ---- opening ---- */

/* One way to open it, and nothing that contradicts it. */
static bool
are_file_flags(unsigned flags)
{
    unsigned how = flags & (VETCH_FILE_READ | VETCH_FILE_WRITE |
                            VETCH_FILE_APPEND | VETCH_FILE_REPLACE);
    unsigned rest = flags & ~how;

    if ((how & (how - 1)) != 0 || how == 0 || rest >= VETCH_FILE_PRIVATE * 2)
        return false;
    return how != VETCH_FILE_READ || rest == 0;
}

static void *
open_file_job(void *arg, vetch_error **ret_error)
{
    const struct file_job *j = arg;

    *ret_error = vetch__file_open(j->file);
    return NULL;
}

static vetch_promise *
make_file_stream(void *value, void *ctx)
{
    const struct file_job *j = ctx;

    (void)value;
    return vetch__file_stream(j->file, &j->options);
}

static const vetch_file_options whole_file = VETCH_FILE_OPTIONS_INIT;

vetch_promise *
vetch_file_open(const char *path, unsigned flags,
                const vetch_file_options *options)
{
    vetch_file_options o = whole_file;
    struct file_job *j;
    vetch_promise *p;

    VETCH_CHECK(path != NULL, EINVAL, &vetch__misused);
    if (!are_file_flags(flags) || !vetch__options_read(&o, sizeof(o), options))
        return vetch__failed(EINVAL, path);
    if (flags != VETCH_FILE_READ &&
        (o.offset_bytes != 0 || o.length_bytes != UINT64_MAX))
        return vetch__failed(EINVAL, path);
    j = new_file_job(path, flags);
    if (j == NULL)
        return &vetch__no_memory;
    j->options = o;
    p = start_file_job(j, open_file_job);
    VETCH__NAME(p, "open %s", path);
    return vetch_finally(vetch_then(p, make_file_stream, j), free_file_job, j);
}

/* ---- the whole at once ---- */

static void *
read_whole_job(void *arg, vetch_error **ret_error)
{
    const struct file_job *j = arg;
    vetch_bytes *bytes = NULL;

    *ret_error = vetch__file_open(j->file);
    if (*ret_error == NULL)
        *ret_error = vetch__file_read_whole(j->file, j->limit, &bytes);
    return bytes;
}

vetch_promise *
vetch_file_read(const char *path, size_t limit_bytes)
{
    struct file_job *j;
    vetch_promise *p;

    VETCH_CHECK(path != NULL, EINVAL, &vetch__misused);
    if (limit_bytes == 0)
        return vetch__failed(EINVAL, "read: a limit of 0 bytes");
    j = new_file_job(path, VETCH_FILE_READ);
    if (j == NULL)
        return &vetch__no_memory;
    j->limit = limit_bytes;
    p = start_file_job(j, read_whole_job);
    VETCH__NAME(p, "read %s", path);
    return vetch_finally(p, free_file_job, j);
}

static void *
write_whole_job(void *arg, vetch_error **ret_error)
{
    const struct file_job *j = arg;

    *ret_error = vetch__file_open(j->file);
    if (*ret_error == NULL)
        *ret_error = vetch__file_write(j->file, vetch_bytes_data(j->data),
                                       vetch_bytes_len(j->data));
    if (*ret_error == NULL)
        *ret_error = vetch__file_finish(j->file);
    return NULL;
}

vetch_promise *
vetch_file_write(const char *path, const void *data, size_t len, unsigned flags)
{
    struct file_job *j;
    vetch_promise *p;

    VETCH_CHECK(path != NULL && (data != NULL || len == 0), EINVAL,
                &vetch__misused);
    if (!are_file_flags(flags | VETCH_FILE_REPLACE))
        return vetch__failed(EINVAL, path);
    j = new_file_job(path, flags | VETCH_FILE_REPLACE);
    if (j == NULL)
        return &vetch__no_memory;
    j->data = vetch_bytes_new(data, len);
    if (j->data == NULL) {
        free_file_job(j);
        return &vetch__no_memory;
    }
    p = start_file_job(j, write_whole_job);
    VETCH__NAME(p, "write %s", path);
    return vetch_finally(p, free_file_job, j);
}
