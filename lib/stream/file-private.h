/* What files are inside. On threads: what is done to the disk. On the
 * reactor's: streams, and the promises of jobs. */
#ifndef VETCH_FILE_PRIVATE_H
#define VETCH_FILE_PRIVATE_H

#include <sys/stat.h>

#include <vetch/file.h>

#include "reactor/reactor-private.h"

/* A file that is to be opened, open, or was. One thread at a time uses it; what
 * is counted is counted on the reactor's. */
struct vetch__file {
    unsigned refs;
    unsigned flags; /* VETCH_FILE_ */
    int fd, dir;    /* or -1 */
    struct stat stat;
    char
        *temporary; /* its name in `dir`, if it needs one before the real one */
    const char *name; /* the last part of the path */
    char path[];
};

/* ---- file_disk.c: any thread ---- */

/* One that is to be opened. NULL and ENOMEM. */
struct vetch__file *vetch__file_new(const char *path, unsigned flags);
/* Give everything back; what was to replace another file and was not finished
 * leaves nothing behind. */
void vetch__file_free(struct vetch__file *f);
/* These return NULL or an error. */
vetch_error *vetch__file_open(struct vetch__file *f);
vetch_error *vetch__file_read_piece(struct vetch__file *f, uint64_t offset,
                                    size_t max, vetch_bytes **ret_bytes);
vetch_error *vetch__file_read_whole(struct vetch__file *f, size_t limit,
                                    vetch_bytes **ret_bytes);
/* Whether these bytes are in memory, as far as one can tell without waiting. */
bool vetch__file_is_fetched(const struct vetch__file *f, uint64_t offset,
                            size_t len);
/* Let the disk bring them there; errors will show later. */
void vetch__file_fetch_now(struct vetch__file *f, uint64_t offset, size_t len);
vetch_error *vetch__file_write(struct vetch__file *f, const char *data,
                               size_t len);
/* All is written: sync, name and close it, as the flags say. */
vetch_error *vetch__file_finish(struct vetch__file *f);

/* For a test: do as where files without a name are not to be had. */
extern bool vetch__file_without_tmpfile;

/* ---- file.c ---- */

/* The threads for files; NULL and errno. */
vetch_executor *vetch__file_executor(vetch_reactor *r);
/* Drop one reference; the last one gives everything back. The second is a
 * vetch_free_fn. */
void vetch__file_release(struct vetch__file *f);
void vetch__file_release_shared(void *f);

/* ---- file_stream.c ---- */

/* The stream over an open file: its promise, with a reference of its own. */
vetch_promise *vetch__file_stream(struct vetch__file *f,
                                  const vetch_file_options *options);
/* A copy takes bytes out of the file itself. Whether it can; what was read
 * ahead is dropped then. */
bool vetch__file_begin(vetch_stream *s);
/* The descriptor, the place to go on, the end of the part that is wanted. */
int vetch__file_position(const vetch_stream *s, uint64_t *ret_offset,
                         uint64_t *ret_end);
void vetch__file_moved(vetch_stream *s, size_t len);
/* NULL: these bytes are in memory; else they are once this has settled. */
vetch_promise *vetch__file_fetch(vetch_stream *s, uint64_t offset, size_t len);
/* A reference to the file, for as long as its descriptor is needed. */
struct vetch__file *vetch__file_share(vetch_stream *s);

#endif
