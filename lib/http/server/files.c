/* Files of a directory as responses.
 *
 * Nothing outside the directory can be reached: the path was split, decoded and
 * normalised before, no symbolic link is followed anywhere on the way, and the
 * kernel resolves beneath the directory only (openat2(2); on kernels without
 * it the path is walked segment by segment). What cannot be served looks like
 * what is not there.
 *
 * Files are opened on the loop. That is right for local file systems and small
 * sites; a handler of one's own can use an executor instead. */

#include "http/server/server-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check-private.h"
#include "base/mem-private.h"

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)

/* Files that say they are at most so long are read and leave in one piece with
 * the head: one system call instead of two beats sparing the copy. */
#define SMALL_FILE ((size_t)12288)
/* What a file of that kind may come to in truth. */
#define READ_MAX ((size_t)1048576)

struct directory {
    int fd;
};

/* The kernel has no openat2(2); or a test wants it so. */
atomic_bool vetch__files_walk;

static int
open_beneath(int dir, const char *path)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve =
            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* The same by hand. Segments are names: no dots, no empty ones. */
static int
open_by_walking(int dir, const char *path)
{
    int at = dir;

    for (;;) {
        const char *slash = strchr(path, '/');
        char name[256];
        int next;

        if (slash == NULL)
            next = openat(at, path, OPEN_FLAGS);
        else if ((size_t)(slash - path) >= sizeof(name))
            next = -1, errno = ENAMETOOLONG;
        else {
            memcpy(name, path, (size_t)(slash - path));
            name[slash - path] = '\0';
            next =
                openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (at != dir) {
            int saved = errno;

            close(at);
            errno = saved;
        }
        if (next < 0 || slash == NULL)
            return next;
        at = next;
        path = slash + 1;
    }
}

static int
open_file(int dir, const char *path)
{
    int fd;

    if (!atomic_load_explicit(&vetch__files_walk, memory_order_relaxed)) {
        fd = open_beneath(dir, path);
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != E2BIG))
            return fd;
        if (errno == ENOSYS)
            atomic_store_explicit(&vetch__files_walk, true,
                                  memory_order_relaxed);
    }
    return open_by_walking(dir, path);
}

/* Names that are served: relative, no dot file, none that is hidden by its
 * directory. */
static bool
is_served(const char *path)
{
    if (path[0] == '\0')
        return false;
    for (;;) {
        const char *slash = strchr(path, '/');

        if (path[0] == '.' || path[0] == '/' || path[0] == '\0')
            return false;
        if (slash == NULL)
            return true;
        path = slash + 1;
    }
}

/* ---- types ---- */

const char *
vetch__http_type_of(const char *path)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        { "avif", "image/avif" },
        { "bin", "application/octet-stream" },
        { "bmp", "image/bmp" },
        { "css", "text/css; charset=utf-8" },
        { "csv", "text/csv; charset=utf-8" },
        { "gif", "image/gif" },
        { "gz", "application/gzip" },
        { "htm", "text/html; charset=utf-8" },
        { "html", "text/html; charset=utf-8" },
        { "ico", "image/vnd.microsoft.icon" },
        { "jpeg", "image/jpeg" },
        { "jpg", "image/jpeg" },
        { "js", "text/javascript; charset=utf-8" },
        { "json", "application/json" },
        { "md", "text/markdown; charset=utf-8" },
        { "mjs", "text/javascript; charset=utf-8" },
        { "mp3", "audio/mpeg" },
        { "mp4", "video/mp4" },
        { "ogg", "audio/ogg" },
        { "pdf", "application/pdf" },
        { "png", "image/png" },
        { "svg", "image/svg+xml" },
        { "tar", "application/x-tar" },
        { "ttf", "font/ttf" },
        { "txt", "text/plain; charset=utf-8" },
        { "wasm", "application/wasm" },
        { "webm", "video/webm" },
        { "webp", "image/webp" },
        { "woff", "font/woff" },
        { "woff2", "font/woff2" },
        { "xml", "application/xml" },
        { "xz", "application/x-xz" },
        { "zip", "application/zip" },
    };
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash != NULL ? slash : path, '.');
    size_t i;

    for (i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (vetch__http_equal(dot + 1, strlen(dot + 1), types[i].suffix,
                              strlen(types[i].suffix)))
            return types[i].type;
    return "application/octet-stream";
}

/* ---- responses ---- */

static unsigned
status_of(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case EACCES:
    case EPERM:
    case ENAMETOOLONG:
    case ENXIO: /* a socket, or a pipe without a writer */
    case EINVAL:
        return 404;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return 503;
    default:
        return 500;
    }
}

static int
set_last_modified(vetch_http_request *r, time_t when)
{
    time_t now = time(NULL);
    char text[VETCH__DATE_LEN + 1];

    vetch__date_format(when < now ? when : now, text);
    return vetch_http_reply_set_header(r, "Last-Modified", text);
}

/* Read on behind the `done` bytes in `start`, and answer with all. */
static int
reply_read_file(vetch_http_request *r, const char *type, int fd,
                const char *start, size_t done)
{
    vetch_buffer all = { 0 };
    int result = -1;

    if (vetch_buffer_append(&all, start, done) < 0)
        return -1;
    while (vetch__buffer_len(&all) <= READ_MAX) {
        char *room = vetch_buffer_reserve(&all, SMALL_FILE);
        ssize_t n = room != NULL ? read(fd, room, SMALL_FILE) : -1;

        if (n > 0) {
            vetch_buffer_commit(&all, (size_t)n);
        } else if (n == 0) {
            result = vetch_http_reply(r, 200, type, vetch_buffer_data(&all),
                                      vetch__buffer_len(&all));
            break;
        } else if (room == NULL || errno != EINTR) {
            break;
        }
    }
    if (vetch__buffer_len(&all) > READ_MAX)
        errno = EFBIG;
    vetch__buffer_done(&all);
    return result;
}

/* Answer with what read(2) gives up to the end: files in /proc and /sys say
 * nothing of their length, or something wrong, and others grow and shrink. Only
 * one that gives as much as it said, though more was asked for, is taken at its
 * word, without a look for more. */
static int
reply_small_file(vetch_http_request *r, const char *type, int fd, size_t said)
{
    char body[SMALL_FILE + 1];
    size_t done = 0;

    while (done < sizeof(body)) {
        ssize_t n = read(fd, body + done, sizeof(body) - done);

        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
        if (n == 0 || (n > 0 && done == said))
            return vetch_http_reply(r, 200, type, body, done);
    }
    return reply_read_file(r, type, fd, body, done);
}

static int
send_open_file(vetch_http_request *r, const char *path, int fd)
{
    const char *type = vetch__http_type_of(path);
    struct stat st;
    int result;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = ENOENT;
        return -1;
    }
    if (set_last_modified(r, st.st_mtime) < 0) {
        close(fd);
        return -1;
    }
    if (st.st_size > (off_t)SMALL_FILE)
        return vetch__http_reply_file(r, type, fd, (uint64_t)st.st_size);
    result = reply_small_file(r, type, fd, (size_t)st.st_size);
    close(fd);
    return result;
}

static vetch_promise *
serve_file(vetch_http_request *r, void *ctx)
{
    const struct directory *d = ctx;
    const char *path = vetch_http_request_param(r, "path");
    int fd = -1;

    if (path == NULL)
        errno = ENOMEM;
    else if (r->path_has_slash || !is_served(path)) /* in no name */
        errno = ENOENT;
    else
        fd = open_file(d->fd, path);
    if (fd >= 0 && send_open_file(r, path, fd) == 0)
        return NULL;
    if (r->conn != NULL && r->response == VETCH__RESPONSE_NONE) {
        unsigned status = status_of(errno);

        vetch__http_reply_forget_fields(r);
        vetch__http_reply_error(r, status, NULL);
    }
    return NULL;
}

/* ---- setting up ---- */

static void
directory_free(void *ctx)
{
    struct directory *d = ctx;

    close(d->fd);
    vetch__free(d);
}

static struct directory *
directory_new(const char *path)
{
    struct directory *d = vetch__malloc(sizeof(*d));

    if (d == NULL)
        return NULL;
    d->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        vetch__free(d);
        return NULL;
    }
    return d;
}

int
vetch_http_server_files(vetch_http_server *s, const char *prefix,
                        const char *directory)
{
    struct directory *d;
    size_t len;
    char *pattern;
    int result = -1;

    VETCH_CHECK(s != NULL && prefix != NULL && directory != NULL, EINVAL, -1);
    len = strlen(prefix);
    if (len == 0 || prefix[len - 1] != '/') {
        errno = EINVAL;
        return -1;
    }
    d = directory_new(directory);
    if (d == NULL)
        return -1;
    pattern = vetch__malloc(len + sizeof("*path"));
    if (pattern != NULL) {
        memcpy(pattern, prefix, len);
        memcpy(pattern + len, "*path", sizeof("*path"));
        result = vetch_http_server_route_owned(s, "GET", pattern, serve_file, d,
                                               directory_free, NULL);
        vetch__free(pattern);
    }
    if (result < 0) {
        int saved = errno;

        directory_free(d);
        errno = saved;
    }
    return result;
}
