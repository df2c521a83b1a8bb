/* Running the flags programs inside a test: each run in a child process of
 * its own, on a server that the test starts, with allocations that fail or a
 * loop that is ended early. */
#ifndef FLAGS_CHILD_H
#define FLAGS_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include <vetch.h>

/* The programs' main functions. */
int flags_promises_main(int argc, char **argv);
int flags2_promises_main(int argc, char **argv);
int flags2_executor_main(int argc, char **argv);
int flags3_promises_main(int argc, char **argv);
int flags3_callbacks_main(int argc, char **argv);
int flags3_tasks_main(int argc, char **argv);

/* What they call instead of vetch_run() and vetch_reactor_run(). */
void *child_run(vetch_promise *p, vetch_error **ret_error);
int child_reactor_run(vetch_reactor *r);

struct child {
    const char *name;
    int (*main)(int argc, char **argv);
    bool first_series;

    /* Which allocation is to fail, from 1, and whether all after it do, too;
     * 0: none. */
    uint64_t fail_nth;
    bool fail_after;
    /* How many steps the loop goes; negative: to the end. */
    long steps;
};

/* What came of one. */
struct child_end {
    int status;           /* from waitpid(2) */
    uint64_t allocations; /* how many there were */
    bool cut;             /* the loop had more to do */
    unsigned ok, not_found, errors;
    char text[4096]; /* what it printed */
};

/* Start and stop t/demos/hostile_server; it serves AD, AE and AF well. */
void start_server(void);
void stop_server(void);

/* Run a program with three flags (the first series: its twenty). */
void run_child(const struct child *child, struct child_end *ret);

#endif
