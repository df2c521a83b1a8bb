/* Files, without ever blocking the loop; see vetch_file(3).
 *
 * A file is a stream whose bytes are moved by threads of the reactor's that do
 * nothing else. Regular files only: what could make a thread wait for ever (a
 * FIFO, a terminal) is refused.
 *
 * Everything here: Thread: reactor. */
#ifndef VETCH_FILE_H
#define VETCH_FILE_H

#include <vetch/stream.h>

/* How a file is opened: one of the first four, and any of the rest that make
 * sense with it. */
enum {
    VETCH_FILE_READ = 1,
    VETCH_FILE_WRITE = 2,   /* what is there is cut off */
    VETCH_FILE_APPEND = 4,  /* what is there stays in front */
    VETCH_FILE_REPLACE = 8, /* written beside; takes its name by `end` alone */
    VETCH_FILE_EXCLUSIVE = 16, /* EEXIST if it is there */
    VETCH_FILE_SYNC = 32, /* on the disk, name and all, before `end` fulfils */
    VETCH_FILE_PRIVATE = 64 /* for its owner alone: mode 0600 */
};

/* The part of a file to be read. */
typedef struct vetch_file_options {
    size_t size;           /* set by VETCH_FILE_OPTIONS_INIT */
    uint64_t offset_bytes; /* where to begin */
    uint64_t length_bytes; /* at most so many; UINT64_MAX: up to the end */
} vetch_file_options;
#define VETCH_FILE_OPTIONS_INIT                                                \
    {                                                                          \
        .size = sizeof(vetch_file_options), .offset_bytes = 0,                 \
        .length_bytes = UINT64_MAX                                             \
    }

/* A file as it was when it was opened. */
typedef struct vetch_file_info {
    size_t size;             /* set by VETCH_FILE_INFO_INIT */
    uint64_t length_bytes;   /* 0 also for what cannot tell, as in /proc */
    double modified_seconds; /* since 1970 */
    uint64_t device, inode;
} vetch_file_info;
#define VETCH_FILE_INFO_INIT                                                   \
    {                                                                          \
        .size = sizeof(vetch_file_info), .length_bytes = 0,                    \
        .modified_seconds = 0, .device = 0, .inode = 0                         \
    }

VETCH_BEGIN_DECLS

/* Open a file. Fulfils with a vetch_stream that can either be read or be
 * written. NULL options: the whole; others are for reading only.
 *
 * With VETCH_FILE_REPLACE nobody sees the file before vetch_stream_end() (or a
 * copy, which ends) has fulfilled. Aborted or released before, nothing remains;
 * closed before, neither, and the close rejects with VETCH_ECANCELED if
 * anything was written. A cancelled end leaves open whether it happened.
 *
 * Errors: those of open(2), with the path; EISDIR; EINVAL, it is not a regular
 *         file, or flags and options contradict one another; EAGAIN, too many
 *         jobs wait; VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_file_open(const char *path, unsigned flags,
                const vetch_file_options *options);
/* Errors: -1 and errno EINVAL, it is no file. */
VETCH_EXPORT int vetch_file_get_info(const vetch_stream *file,
                                     vetch_file_info *ret_info);
/* Read on from `offset_bytes` of the file. Errors: -1 and errno: EBUSY, a read
 * or copy is pending; EINVAL, it is no file that is being read; EPIPE, the
 * stream is closed or broken. */
VETCH_EXPORT int vetch_file_seek(vetch_stream *file, uint64_t offset_bytes);

/* The whole file as vetch_bytes, never NULL; VETCH_ETOOLARGE if there are more
 * than `limit_bytes` (above 0; VETCH_NO_LIMIT: none). Errors: as above. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_file_read(const char *path,
                                                            size_t limit_bytes);
/* Make a file of these bytes, whole or not at all, in place of what is there:
 * VETCH_FILE_REPLACE is implied. `data` is copied. Cancelled in the middle, it
 * may have happened. Errors: as above, and those of write(2). */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_file_write(const char *path,
                                                             const void *data,
                                                             size_t len,
                                                             unsigned flags);

VETCH_END_DECLS

#endif
