/* Starting a program: descriptors and system calls, no reactor. */
#ifndef VETCH_SPAWN_PRIVATE_H
#define VETCH_SPAWN_PRIVATE_H

#include <sys/types.h>

#include <vetch/process.h>

struct vetch__spawned {
    pid_t pid;
    int pidfd;   /* -1: it was reaped already, by somebody else */
    int ours[3]; /* our sides of the pipes, non-blocking; or -1 */
};

/* -1 and errno; then nothing has happened. */
int vetch__spawn(const vetch_process_options *options,
                 struct vetch__spawned *ret);
/* Take it back: something else has failed. Waits for its death, which is a
 * matter of milliseconds. errno stays. */
void vetch__spawn_undo(struct vetch__spawned *s);
void vetch__spawn_close(struct vetch__spawned *s);

#endif
