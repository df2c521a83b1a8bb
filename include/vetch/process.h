/* Child processes; see vetch_process(3) and vetch_process_run(3).
 *
 * A child runs in a process group of its own, with default signals, and
 * inherits no descriptor but the three that it is given. It is waited for by
 * its own descriptor: no SIGCHLD, nobody else's children.
 *
 * Everything here: Thread: reactor. */
#ifndef VETCH_PROCESS_H
#define VETCH_PROCESS_H

#include <vetch/promise.h>

/* In place of a descriptor. (-1, which is what a failed open(2) gives, is
 * refused.) */
enum {
    VETCH_STDIO_DEFAULT = -2, /* see each of them */
    VETCH_STDIO_NULL = -3,    /* /dev/null */
    VETCH_STDIO_INHERIT = -4, /* ours; /dev/null if it closes on exec */
    VETCH_STDIO_STREAM = -5   /* a pipe, of which we have the other side */
};

typedef struct vetch_process_options {
    size_t size; /* set by VETCH_PROCESS_OPTIONS_INIT */
    const char *const
        *argv;              /* argv[0] is looked up in our PATH; ends in NULL */
    const char *const *env; /* NULL: ours */
    const char *directory;  /* NULL: ours */
    int input;  /* VETCH_STDIO_ or a descriptor, borrowed. Default: null */
    int output; /* default: ours; of vetch_process_run(): what it collects */
    int errors; /* the same */
    double grace_seconds; /* when it is stopped: from SIGTERM to SIGKILL */
    double drain_seconds; /* _run: from its exit to the end of its output */
    size_t output_limit_bytes; /* _run; VETCH_NO_LIMIT: none */
    size_t errors_limit_bytes;
} vetch_process_options;
#define VETCH_PROCESS_OPTIONS_INIT                                             \
    {                                                                          \
        .size = sizeof(vetch_process_options), .input = VETCH_STDIO_DEFAULT,   \
        .output = VETCH_STDIO_DEFAULT, .errors = VETCH_STDIO_DEFAULT,          \
        .grace_seconds = 5.0, .drain_seconds = 1.0,                            \
        .output_limit_bytes = 16777216, .errors_limit_bytes = 65536            \
    }

VETCH_BEGIN_DECLS

/* Start a program, here and now, in a fraction of a millisecond whatever the
 * size of this process is: that there is no such program is an errno.
 * Ownership: new reference. Releasing the last one stops the child as
 *            cancelling vetch_process_end() does; it is reaped all the same.
 * Errors:    NULL and errno: those of execve(2), chdir(2) and open(2), of which
 *            ENOENT, EACCES and ENOEXEC are the most likely; EBADF, a
 *            descriptor; EINVAL, an option; EAGAIN, EMFILE, ENOMEM; EPERM, no
 *            reactor; ECANCELED, it is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_process *
vetch_process_start(const vetch_process_options *options);
/* What was asked for by VETCH_STDIO_STREAM, else NULL: the input is written to,
 * the others are read. Borrowed; its exit does not end them (a grandchild may
 * write on), and the release of the process fails them with VETCH_ECLOSED. */
VETCH_EXPORT vetch_stream *vetch_process_input(vetch_process *p);
VETCH_EXPORT vetch_stream *vetch_process_output(vetch_process *p);
VETCH_EXPORT vetch_stream *vetch_process_errors(vetch_process *p);
/* Fulfils when the child was reaped, with an (intptr_t): its exit status or, if
 * a signal killed it, minus that. Each call is a promise of its own. Cancelling
 * one stops the child: SIGTERM to its group, after the grace SIGKILL, which
 * goes to the rest of the group even if the child has exited meanwhile; it
 * settles when the child was reaped. Errors: ECHILD, another part of the
 * program has taken its status; VETCH_ECLOSED, it outlived the reactor and
 * SIGKILL; VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_process_end(vetch_process *p);
/* Send a signal to the child's group. Errors: -1 and errno: ESRCH, it was
 * reaped; EINVAL, EPERM. */
VETCH_EXPORT int vetch_process_signal(vetch_process *p, int signum);
VETCH_EXPORT int vetch_process_id(const vetch_process *p);
VETCH_EXPORT vetch_process *vetch_process_ref(vetch_process *p);
VETCH_EXPORT vetch_process *vetch_process_unref(vetch_process *p);

/* Run a program to its end, give it `input` (copied; NULL: what the options
 * say), and collect what it writes. Fulfils, whatever its status, with a
 * vetch_process_result. A child that does not read all of its input is no
 * error. After its exit the end of its output is awaited for drain_seconds
 * only: what it has started may hold it open. Cancelling stops the child and
 * settles when it was reaped. Errors: as vetch_process_start() and _end();
 * VETCH_ETOOLARGE, more output than the limit, which stops it. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_process_run(const vetch_process_options *options, const void *input,
                  size_t len);
/* The exit status, or minus the signal. */
VETCH_EXPORT int vetch_process_result_status(const vetch_process_result *r);
/* What it wrote, borrowed; empty if that went elsewhere. Never NULL. */
VETCH_EXPORT vetch_bytes *
vetch_process_result_output(const vetch_process_result *r);
VETCH_EXPORT vetch_bytes *
vetch_process_result_errors(const vetch_process_result *r);
VETCH_EXPORT vetch_process_result *
vetch_process_result_ref(vetch_process_result *r);
VETCH_EXPORT vetch_process_result *
vetch_process_result_unref(vetch_process_result *r);

VETCH_END_DECLS

#endif
