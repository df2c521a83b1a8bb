/* Streams over files: a class like a program's own, whose calls are jobs of the
 * executor for files. One job at a time uses the file, so that it needs no
 * lock; a cancelled one that runs ends first. */
#include "stream/file-private.h"

#include <errno.h>
#include <string.h>

#include <vetch/executor.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"
#include "stream/own-private.h"

struct file_stream {
    struct vetch__file *file;
    vetch_stream *stream;
    uint64_t at, end; /* what is read next, and where that stops */
    /* Where reading began, and what the stream had handed out then: so one
     * knows what the user gets next. */
    uint64_t origin, handed_out;
    uint64_t fetched; /* was in memory up to here, so probably is */
    /* The job that reads, or the last one that did. It was for nothing if the
     * user went somewhere else meanwhile. */
    uint64_t job_at;
    size_t job_max;
    bool moved;
    /* The job that writes; borrowed. */
    vetch_bytes *bytes;
    bool discarded; /* closed without an end */
};

/* ---- on threads ---- */

static void *
read_file_job(void *arg, vetch_error **ret_error)
{
    const struct file_stream *fs = arg;
    vetch_bytes *bytes = NULL;

    *ret_error =
        vetch__file_read_piece(fs->file, fs->job_at, fs->job_max, &bytes);
    return bytes;
}

static void *
write_file_job(void *arg, vetch_error **ret_error)
{
    const struct file_stream *fs = arg;

    *ret_error = vetch__file_write(fs->file, vetch_bytes_data(fs->bytes),
                                   vetch_bytes_len(fs->bytes));
    return NULL;
}

static void *
finish_file_job(void *arg, vetch_error **ret_error)
{
    const struct file_stream *fs = arg;

    *ret_error = vetch__file_finish(fs->file);
    return NULL;
}

/* ---- the class ---- */

static vetch_promise *
submit_file_job(struct file_stream *fs, vetch_job_fn fn)
{
    vetch_executor *e = vetch__file_executor(vetch__reactor);

    return e != NULL ? vetch_executor_submit(e, fn, fs, vetch_unref)
                     : vetch__failed(errno, "file");
}

static vetch_promise *
piece_was_read(void *bytes, void *self)
{
    struct file_stream *fs = self;

    if (bytes != NULL && !fs->moved)
        fs->at += vetch_bytes_len(bytes);
    return vetch_same();
}

static vetch_promise *
file_stream_read(void *self, size_t max_bytes)
{
    struct file_stream *fs = self;
    uint64_t left = fs->at < fs->end ? fs->end - fs->at : 0;

    if (left == 0)
        return NULL;
    fs->job_at = fs->at;
    fs->job_max = left < max_bytes ? (size_t)left : max_bytes;
    fs->moved = false;
    return vetch_then(submit_file_job(fs, read_file_job), piece_was_read, fs);
}

static vetch_promise *
file_stream_write(void *self, vetch_bytes *bytes)
{
    struct file_stream *fs = self;

    fs->bytes = bytes;
    return submit_file_job(fs, write_file_job);
}

/* A close that comes without an end names nothing. */
static vetch_promise *
file_stream_end(void *self)
{
    struct file_stream *fs = self;

    if ((fs->file->flags & VETCH_FILE_REPLACE) != 0 &&
        !vetch__own_stream_was_ended(fs->stream)) {
        fs->discarded = true;
        return NULL;
    }
    return submit_file_job(fs, finish_file_job);
}

static vetch_promise *
file_stream_close(void *self)
{
    struct file_stream *fs = self;

    if (!fs->discarded || vetch_stream_bytes_written(fs->stream) == 0)
        return NULL;
    return vetch_rejected(vetch_error_new(
        VETCH_ECANCELED, "%s: closed before its end", fs->file->path));
}

static void
file_stream_free(void *self)
{
    struct file_stream *fs = self;

    vetch__file_release(fs->file);
    vetch__free(fs);
}

static const vetch_stream_class read_class = {
    .size = sizeof(vetch_stream_class),
    .read = file_stream_read,
    .free = file_stream_free,
};

static const vetch_stream_class write_class = {
    .size = sizeof(vetch_stream_class),
    .write = file_stream_write,
    .end = file_stream_end,
    .close = file_stream_close,
    .free = file_stream_free,
};

/* ---- making one ---- */

vetch_promise *
vetch__file_stream(struct vetch__file *f, const vetch_file_options *options)
{
    const vetch_stream_class *class =
        (f->flags & VETCH_FILE_READ) != 0 ? &read_class : &write_class;
    struct file_stream *fs = vetch__calloc(1, sizeof(*fs));
    uint64_t begin = options->offset_bytes, length = options->length_bytes;

    if (fs == NULL)
        return &vetch__no_memory;
    fs->file = f;
    fs->at = fs->origin = begin;
    fs->end = length < UINT64_MAX - begin ? begin + length : UINT64_MAX;
    fs->stream = vetch__own_stream_new(class, fs, NULL, f->path);
    if (fs->stream == NULL) {
        vetch__free(fs);
        return vetch__failed(errno, f->path);
    }
    f->refs++;
    return vetch_resolved(fs->stream, vetch_unref);
}

/* ---- asking and moving ---- */

static struct file_stream *
file_stream_of(const vetch_stream *s)
{
    struct file_stream *fs = vetch__own_stream_self(s, &read_class);

    return fs != NULL ? fs : vetch__own_stream_self(s, &write_class);
}

/* What was read ahead, or is being read now, is for nothing. */
static void
go_to(struct file_stream *fs, uint64_t offset)
{
    vetch__own_stream_restart(fs->stream);
    fs->at = fs->origin = offset;
    fs->handed_out = vetch_stream_bytes_read(fs->stream);
    fs->moved = true;
}

bool
vetch__file_begin(vetch_stream *s)
{
    struct file_stream *fs = vetch__own_stream_self(s, &read_class);

    if (fs == NULL || s->in != VETCH__HALF_OPEN)
        return false;
    go_to(fs, fs->origin + vetch_stream_bytes_read(s) - fs->handed_out);
    return true;
}

int
vetch__file_position(const vetch_stream *s, uint64_t *ret_offset,
                     uint64_t *ret_end)
{
    const struct file_stream *fs = vetch__own_stream_self(s, &read_class);

    *ret_offset = fs->at;
    *ret_end = fs->end;
    return fs->file->fd;
}

void
vetch__file_moved(vetch_stream *s, size_t len)
{
    struct file_stream *fs = vetch__own_stream_self(s, &read_class);

    fs->at += len;
}

struct vetch__file *
vetch__file_share(vetch_stream *s)
{
    struct file_stream *fs = vetch__own_stream_self(s, &read_class);

    fs->file->refs++;
    return fs->file;
}

struct fetch {
    struct vetch__file *file;
    uint64_t offset;
    size_t len;
};

static void *
fetch_job(void *arg, vetch_error **ret_error)
{
    const struct fetch *fetch = arg;

    (void)ret_error;
    vetch__file_fetch_now(fetch->file, fetch->offset, fetch->len);
    return NULL;
}

static void
free_fetch(void *arg)
{
    struct fetch *fetch = arg;

    vetch__file_release(fetch->file);
    vetch__free(fetch);
}

vetch_promise *
vetch__file_fetch(vetch_stream *s, uint64_t offset, size_t len)
{
    struct file_stream *fs = vetch__own_stream_self(s, &read_class);
    vetch_executor *e;
    struct fetch *fetch;

    if (offset + len <= fs->fetched)
        return NULL;
    fs->fetched = offset + len;
    if (vetch__file_is_fetched(fs->file, offset, len))
        return NULL;
    e = vetch__file_executor(vetch__reactor);
    fetch = e != NULL ? vetch__malloc(sizeof(*fetch)) : NULL;
    if (fetch == NULL)
        return vetch__failed(errno, "file");
    *fetch = (struct fetch){ vetch__file_share(s), offset, len };
    return vetch_executor_submit_owned(e, fetch_job, fetch, free_fetch, NULL);
}

int
vetch_file_get_info(const vetch_stream *file, vetch_file_info *ret_info)
{
    const struct file_stream *fs;
    vetch_file_info info = VETCH_FILE_INFO_INIT;
    const struct stat *st;

    VETCH_CHECK(file != NULL && ret_info != NULL, EINVAL, -1);
    fs = file_stream_of(file);
    if (fs == NULL || ret_info->size < sizeof(info.size)) {
        errno = EINVAL;
        return -1;
    }
    st = &fs->file->stat;
    info.size = ret_info->size;
    info.length_bytes = (uint64_t)st->st_size;
    info.modified_seconds =
        (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9;
    info.device = st->st_dev;
    info.inode = st->st_ino;
    memcpy(ret_info, &info,
           info.size < sizeof(info) ? info.size : sizeof(info));
    return 0;
}

int
vetch_file_seek(vetch_stream *file, uint64_t offset_bytes)
{
    struct file_stream *fs;

    VETCH_CHECK(file != NULL, EINVAL, -1);
    if (!vetch__stream_check_thread(file))
        return -1;
    fs = vetch__own_stream_self(file, &read_class);
    if (fs == NULL || file->object.state != VETCH__S_OPEN) {
        errno = fs == NULL ? EINVAL : EPIPE;
        return -1;
    }
    if (vetch__stream_is_read(file)) {
        errno = EBUSY;
        return -1;
    }
    go_to(fs, offset_bytes);
    return 0;
}
