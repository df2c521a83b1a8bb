/* Where the index is kept. Reading and building it takes some ten milliseconds,
 * and files may take any time: it is a job on a thread, and the loop goes on.
 *
 * Nothing in the file is trusted, see index.c. It appears whole or not at all,
 * since it is written under another name first; so programs that start at the
 * same time do no more harm to one another than work done twice. */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 << 20)

/* ---- where ---- */

static char *
in_cache_folder(const char *base, const char *below)
{
    char *path;

    if (asprintf(&path, "%s%s", base, below) < 0)
        return NULL;
    mkdir(path, 0700); /* if it fails, there is one, or none is to be had */
    free(path);
    return asprintf(&path, "%s%s/charfinder.index", base, below) < 0 ? NULL
                                                                     : path;
}

/* NULL: nowhere. */
static char *
index_path(void)
{
    const char *path = getenv("CHARFINDER_INDEX"),
               *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (path != NULL)
        return strdup(path);
    if (cache != NULL && *cache == '/')
        return in_cache_folder(cache, "");
    if (home != NULL && *home == '/')
        return in_cache_folder(home, "/.cache");
    return NULL;
}

/* ---- reading ---- */

static struct char_index *
load_descriptor(int fd)
{
    struct char_index *index = NULL;
    struct stat st;
    char *bytes;
    size_t len;
    ssize_t n;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return NULL;
    bytes = malloc((size_t)st.st_size + 1);
    if (bytes == NULL)
        return NULL;
    for (len = 0; len < (size_t)st.st_size; len += (size_t)n) {
        n = read(fd, bytes + len, (size_t)st.st_size - len);
        if (n <= 0)
            break;
    }
    index = index_load(bytes, len);
    free(bytes);
    return index;
}

/* NULL: there is none that is valid. */
static struct char_index *
load_file(const char *path)
{
    struct char_index *index;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO? */

    if (fd < 0)
        return NULL;
    index = load_descriptor(fd);
    close(fd);
    return index;
}

/* ---- writing ---- */

static int
write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Who cannot keep it builds it again next time. */
static void
save_file(const char *path, const struct char_index *index)
{
    size_t len;
    const void *image = index_image(index, &len);
    char *temporary;
    int fd, failed;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd >= 0) {
        failed = write_all(fd, image, len);
        failed |= close(fd);
        if (failed != 0 || rename(temporary, path) < 0)
            unlink(temporary);
    }
    free(temporary);
}

/* ---- the job ---- */

static void *
open_index_job(void *arg, vetch_error **ret_error)
{
    char *path = arg;
    struct char_index *index = path != NULL ? load_file(path) : NULL;

    if (index != NULL)
        return index;
    index = index_build();
    if (index == NULL)
        *ret_error = vetch_error_from_errno(errno, "the index of characters");
    else if (path != NULL)
        save_file(path, index);
    return index;
}

vetch_promise *
open_index(void)
{
    return vetch_executor_submit_owned(NULL, open_index_job, index_path(), free,
                                       index_free);
}
