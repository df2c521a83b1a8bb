/* What is done to the disk, by blocking calls on threads.
 *
 * Nothing here may wait for anybody but the disk. So what a path leads to is
 * looked at before it is opened (to open a device may do something), and again
 * afterwards, without blocking in between.
 *
 * A file that is to replace another has no name at first (O_TMPFILE), so that
 * not even a crash leaves anything. A name can only be linked where there is
 * none, so over another file it goes by a name beside it that lives as long as
 * a rename takes. Where there is no O_TMPFILE, as on NFS, the file has such a
 * name from the start. */
#include "stream/file-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/buffer-private.h"
#include "base/mem-private.h"

enum { TEMPORARY_SIZE = 32, LEAST_ROOM = 4096 };

bool vetch__file_without_tmpfile;

struct vetch__file *
vetch__file_new(const char *path, unsigned flags)
{
    size_t len = strlen(path);
    struct vetch__file *f = vetch__calloc(1, sizeof(*f) + len + 1);
    const char *slash;

    if (f == NULL)
        return NULL;
    f->refs = 1;
    f->flags = flags;
    f->fd = f->dir = -1;
    memcpy(f->path, path, len);
    slash = strrchr(f->path, '/');
    f->name = slash != NULL ? slash + 1 : f->path;
    return f;
}

static void
close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void
vetch__file_free(struct vetch__file *f)
{
    close_descriptor(&f->fd);
    if (f->temporary != NULL)
        unlinkat(f->dir, f->temporary, 0);
    vetch__free(f->temporary);
    close_descriptor(&f->dir);
    vetch__free(f);
}

static vetch_error *
file_error(const struct vetch__file *f, int errnum)
{
    return vetch_error_from_errno(errnum, "%s", f->path);
}

/* ---- opening ---- */

static vetch_error *
check_regular(const struct vetch__file *f, const struct stat *st)
{
    if (S_ISREG(st->st_mode))
        return NULL;
    if (S_ISDIR(st->st_mode))
        return file_error(f, EISDIR);
    return vetch_error_new(EINVAL, "%s: not a regular file", f->path);
}

/* Open what is known to be no trouble, or not to be there, and see whether that
 * is still so. */
static vetch_error *
open_regular(struct vetch__file *f, int flags, mode_t mode)
{
    f->fd = open(f->path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    if (f->fd < 0 || fstat(f->fd, &f->stat) < 0)
        return file_error(f, errno);
    return check_regular(f, &f->stat);
}

static vetch_error *
open_to_read(struct vetch__file *f)
{
    struct stat st;
    vetch_error *error;

    if (stat(f->path, &st) < 0)
        return file_error(f, errno);
    error = check_regular(f, &st);
    return error != NULL ? error : open_regular(f, O_RDONLY, 0);
}

/* The directory, to name things in it; to sync it needs more of a descriptor.
 */
static vetch_error *
open_directory(struct vetch__file *f)
{
    size_t len = (size_t)(f->name - f->path);
    char *path = len > 0 ? vetch__strndup(f->path, len) : vetch__strdup(".");
    int flags = (f->flags & VETCH_FILE_SYNC) != 0 ? O_RDONLY : O_PATH;

    if (path == NULL)
        return file_error(f, ENOMEM);
    f->dir = open(path, flags | O_DIRECTORY | O_CLOEXEC);
    vetch__free(path);
    return f->dir < 0 ? file_error(f, errno) : NULL;
}

static mode_t
mode_for_new(const struct vetch__file *f)
{
    return (f->flags & VETCH_FILE_PRIVATE) != 0 ? 0600 : 0666;
}

static vetch_error *
open_to_write(struct vetch__file *f)
{
    bool appends = (f->flags & VETCH_FILE_APPEND) != 0;
    bool exclusive = (f->flags & VETCH_FILE_EXCLUSIVE) != 0;
    struct stat st;
    vetch_error *error = NULL;

    if ((f->flags & VETCH_FILE_SYNC) != 0)
        error = open_directory(f);
    if (error == NULL && !exclusive && stat(f->path, &st) == 0)
        error = check_regular(f, &st);
    if (error == NULL)
        error = open_regular(f,
                             O_WRONLY | O_CREAT | (appends ? O_APPEND : 0) |
                                 (exclusive ? O_EXCL : 0),
                             mode_for_new(f));
    if (error != NULL)
        return error;
    if ((f->flags & VETCH_FILE_PRIVATE) != 0 && fchmod(f->fd, 0600) < 0)
        return file_error(f, errno);
    if (!appends && f->stat.st_size > 0 && ftruncate(f->fd, 0) < 0)
        return file_error(f, errno);
    return NULL;
}

/* ---- opening what is to replace another ---- */

static char *
make_temporary_name(void)
{
    char name[TEMPORARY_SIZE];
    uint64_t chance;

    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return NULL;
    snprintf(name, sizeof(name), ".vetch-%016llx", (unsigned long long)chance);
    return vetch__strdup(name);
}

/* Without a name; it can be given one only by way of /proc. */
static int
open_nameless(const struct vetch__file *f)
{
    char link[TEMPORARY_SIZE];
    int fd;

    if (vetch__file_without_tmpfile)
        return -1;
    fd = openat(f->dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode_for_new(f));
    if (fd < 0)
        return -1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (faccessat(AT_FDCWD, link, F_OK, 0) == 0)
        return fd;
    close(fd);
    return -1;
}

static vetch_error *
open_beside(struct vetch__file *f)
{
    f->fd = open_nameless(f);
    if (f->fd >= 0)
        return NULL;
    f->temporary = make_temporary_name();
    if (f->temporary == NULL)
        return file_error(f, errno);
    f->fd = openat(f->dir, f->temporary,
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_for_new(f));
    if (f->fd >= 0)
        return NULL;
    vetch__free(f->temporary); /* nothing of that name is ours */
    f->temporary = NULL;
    return file_error(f, errno);
}

/* What is there has to be a file, whose permissions are kept. */
static vetch_error *
look_at_replaced(struct vetch__file *f, mode_t *ret_mode)
{
    struct stat st;

    if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? NULL : file_error(f, errno);
    if ((f->flags & VETCH_FILE_EXCLUSIVE) != 0)
        return file_error(f, EEXIST);
    if (S_ISLNK(st.st_mode))
        return NULL;
    *ret_mode = st.st_mode & 0777;
    return check_regular(f, &st);
}

static vetch_error *
open_to_replace(struct vetch__file *f)
{
    mode_t mode = 0;
    vetch_error *error;

    if (f->name[0] == '\0')
        return file_error(f, f->path[0] == '\0' ? ENOENT : EISDIR);
    error = open_directory(f);
    if (error == NULL)
        error = look_at_replaced(f, &mode);
    if (error == NULL)
        error = open_beside(f);
    if (error != NULL)
        return error;
    if ((mode != 0 && (f->flags & VETCH_FILE_PRIVATE) == 0 &&
         fchmod(f->fd, mode) < 0) ||
        fstat(f->fd, &f->stat) < 0)
        return file_error(f, errno);
    return NULL;
}

vetch_error *
vetch__file_open(struct vetch__file *f)
{
    if ((f->flags & VETCH_FILE_READ) != 0)
        return open_to_read(f);
    if ((f->flags & VETCH_FILE_REPLACE) != 0)
        return open_to_replace(f);
    return open_to_write(f);
}

/* ---- reading ---- */

/* Read until `len` bytes are there or the file ends; -1 and errno. */
static ssize_t
read_fully(int fd, char *to, size_t len, uint64_t offset)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, to + got, len - got, (off_t)(offset + got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* Read into a byte string, from `at` on; -1 and errno. */
static int
read_into(const struct vetch__file *f, vetch_bytes **bytes, size_t at,
          size_t room, uint64_t offset)
{
    vetch_bytes *b = vetch__bytes_resize(*bytes, room);
    ssize_t n;

    if (b == NULL)
        return -1;
    *bytes = b;
    n = read_fully(f->fd, vetch__bytes_room(b) + at, room - at, offset + at);
    if (n < 0)
        return -1;
    b = vetch__bytes_resize(b, at + (size_t)n);
    if (b == NULL)
        return -1;
    *bytes = b;
    return 0;
}

vetch_error *
vetch__file_read_piece(struct vetch__file *f, uint64_t offset, size_t max,
                       vetch_bytes **ret_bytes)
{
    vetch_bytes *bytes = NULL;

    if (offset > INT64_MAX - max)
        return NULL; /* no file is so long */
    if (read_into(f, &bytes, 0, max, offset) < 0) {
        vetch_bytes_unref(bytes);
        return file_error(f, errno);
    }
    if (vetch_bytes_len(bytes) == 0)
        bytes = vetch_bytes_unref(bytes);
    *ret_bytes = bytes;
    return NULL;
}

/* A byte at each end stands for all between them. */
bool
vetch__file_is_fetched(const struct vetch__file *f, uint64_t offset, size_t len)
{
    const uint64_t ends[] = { offset + len - 1, offset };
    char byte;
    struct iovec iov = { &byte, 1 };

    for (int i = 0; i < 2; i++)
        if (preadv2(f->fd, &iov, 1, (off_t)ends[i], RWF_NOWAIT) < 0 &&
            errno == EAGAIN)
            return false;
    return true;
}

void
vetch__file_fetch_now(struct vetch__file *f, uint64_t offset, size_t len)
{
    char data[16384];

    while (len > 0) {
        size_t max = len < sizeof(data) ? len : sizeof(data);
        ssize_t n = pread(f->fd, data, max, (off_t)offset);

        if (n <= 0)
            return;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
}

/* How much to ask for first: the length, where it is known, and a byte more, so
 * that the end is seen. */
static size_t
first_room(const struct vetch__file *f, size_t limit)
{
    uint64_t length = (uint64_t)f->stat.st_size;
    size_t room = length < SIZE_MAX / 4 ? (size_t)length + 1 : SIZE_MAX / 4;

    if (room < LEAST_ROOM)
        room = LEAST_ROOM;
    return room <= limit ? room : limit + 1;
}

vetch_error *
vetch__file_read_whole(struct vetch__file *f, size_t limit,
                       vetch_bytes **ret_bytes)
{
    size_t most = limit < SIZE_MAX / 4 ? limit : SIZE_MAX / 4;
    size_t room = first_room(f, most), at = 0;
    vetch_bytes *bytes = NULL;

    for (;;) {
        if (read_into(f, &bytes, at, room, 0) < 0) {
            vetch_bytes_unref(bytes);
            return file_error(f, errno);
        }
        at = vetch_bytes_len(bytes);
        if (at < room || at > most)
            break;
        room = room <= most / 2 ? room * 2 : most + 1;
    }
    if (at <= most) {
        *ret_bytes = bytes;
        return NULL;
    }
    vetch_bytes_unref(bytes);
    return vetch_error_new(VETCH_ETOOLARGE, "%s: more than %zu bytes", f->path,
                           limit);
}

/* ---- writing ---- */

vetch_error *
vetch__file_write(struct vetch__file *f, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(f->fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(f, errno);
        data += n;
        len -= (size_t)n;
    }
    return NULL;
}

/* A name for a file that has none: the real one or, if that is taken and may
 * be, one beside it. */
static int
link_nameless(struct vetch__file *f)
{
    char link[TEMPORARY_SIZE];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
    if (linkat(AT_FDCWD, link, f->dir, f->name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST || (f->flags & VETCH_FILE_EXCLUSIVE) != 0)
        return -1;
    f->temporary = make_temporary_name();
    if (f->temporary == NULL)
        return -1;
    if (linkat(AT_FDCWD, link, f->dir, f->temporary, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    vetch__free(f->temporary);
    f->temporary = NULL;
    return -1;
}

static int
rename_temporary(struct vetch__file *f)
{
    if ((f->flags & VETCH_FILE_EXCLUSIVE) != 0) {
        if (linkat(f->dir, f->temporary, f->dir, f->name, 0) < 0)
            return -1;
        unlinkat(f->dir, f->temporary, 0);
    } else if (renameat(f->dir, f->temporary, f->dir, f->name) < 0) {
        return -1;
    }
    vetch__free(f->temporary);
    f->temporary = NULL;
    return 0;
}

/* Closing is where some file systems tell that they have no room: the name
 * comes after it if it can. */
static int
close_and_name(struct vetch__file *f)
{
    bool replaces = (f->flags & VETCH_FILE_REPLACE) != 0;
    int fd = f->fd;

    if (replaces && f->temporary == NULL && link_nameless(f) < 0)
        return -1;
    f->fd = -1;
    if (close(fd) < 0 && errno != EINTR)
        return -1;
    return f->temporary != NULL ? rename_temporary(f) : 0;
}

vetch_error *
vetch__file_finish(struct vetch__file *f)
{
    bool sync = (f->flags & VETCH_FILE_SYNC) != 0;

    if ((sync && fsync(f->fd) < 0) || close_and_name(f) < 0 ||
        (sync && fsync(f->dir) < 0))
        return file_error(f, errno);
    close_descriptor(&f->dir);
    return NULL;
}
