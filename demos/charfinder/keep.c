/* Where the index is kept. Reading and building it takes some ten milliseconds,
 * and files may take any time: threads do it, and the loop goes on.
 *
 * Nothing in the file is trusted, see index.c. It appears whole or not at all,
 * so programs that start at the same time do no more harm to one another than
 * work done twice. */
#include "keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* ---- reading, building, writing ---- */

static void *
load_job(void *image, vetch_error **ret_error)
{
    (void)ret_error; /* NULL is told from an index */
    return index_load(vetch_bytes_data(image), vetch_bytes_len(image));
}

static void *
build_job(void *arg, vetch_error **ret_error)
{
    struct char_index *index = index_build();

    (void)arg;
    if (index == NULL)
        *ret_error = vetch_error_from_errno(errno, "the index of characters");
    return index;
}

/* NULL: there is none that is valid. */
static struct char_index *
load_kept(const char *path)
{
    struct char_index *index = NULL;
    vetch_error *error;
    vetch_bytes *image = vetch_await(vetch_file_read(path, FILE_MAX), &error);

    if (image != NULL)
        index = vetch_await(
            vetch_executor_submit(NULL, load_job, image, index_free), &error);
    vetch_bytes_unref(image);
    vetch_error_unref(error);
    return index;
}

/* Who cannot keep it builds it again next time. */
static void
keep(const char *path, const struct char_index *index)
{
    vetch_error *error;
    size_t len;
    const void *image = index_image(index, &len);

    vetch_await(vetch_file_write(path, image, len, VETCH_FILE_PRIVATE), &error);
    vetch_error_unref(error);
}

static vetch_promise *
load_or_build(void *ctx)
{
    const char *path = ctx;
    struct char_index *index = path != NULL ? load_kept(path) : NULL;

    if (index == NULL) {
        index =
            vetch_try(vetch_executor_submit(NULL, build_job, NULL, index_free));
        if (path != NULL)
            keep(path, index);
    }
    return vetch_resolved(index, index_free);
}

vetch_promise *
open_index(void)
{
    char *path = index_path();

    return vetch_finally(vetch_spawn(load_or_build, path), free, path);
}
