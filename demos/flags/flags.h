/* What the flag downloaders share, so that each program shows its style and
 * nothing else: the command line, the account, names and files.
 *
 * A program is always the same frame:
 *
 *     begin_second_series(&run, argc, argv, 5, 1000);
 *     … download every flag, and count() it once, whatever came of it …
 *     return end_run(&run);
 */
#ifndef FLAGS_H
#define FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <vetch.h>

#include "url.h"

#define NAME_SIZE 256

struct run;

/* One flag, from its code to its file. What else a program keeps for each, it
 * declares itself. */
struct flag {
    struct run *run;
    char cc[3];           /* upper case */
    char url[URL_SIZE];   /* of the request in flight */
    char name[NAME_SIZE]; /* of the file to be made */
    const void *bytes;    /* that go into it; borrowed */
    size_t len;
    bool saved;   /* the file is there */
    bool counted; /* once and no more */
};

/* One run of a program: what to do, and what came of it. */
struct run {
    const char *program;
    const char *label; /* LOCAL, REMOTE, DELAY or ERROR */
    char base[URL_SIZE];
    struct flag *flags; /* in the order of their codes */
    size_t n_flags;
    size_t max_req; /* requests in flight at once; and for the third series, */
    size_t max_downloads; /* flags begun and not ended: memory has a bound */
    double timeout;       /* seconds for one request */
    bool first_series;
    bool verbose;
    int dest; /* the directory to save in */
    const char *dest_path;
    double started;
    time_t began; /* the same, of day */

    size_t ok, not_found, errors;
    bool bar;           /* a progress bar is wanted */
    double bar_drawn;   /* when, last */
    int interrupted;    /* the signal that ended the run early, or 0 */
    vetch_error *error; /* why flags are left that were not counted */

    /* Only in programs that have a loop; see loop.c. */
    vetch_reactor *reactor;
    vetch_http_client *client;
    vetch_semaphore *slots;
};

/* ---- options.c ---- */

/* Read the command line, make the destination, start the clock. A bad
 * argument ends the program with status 2, a full disk or the like with 1.
 *
 * First series: [BASE_URL], the 20 most populous countries, all at once.
 * Second series (and third): all options; `default_req` is the default of -m,
 * and no more than `most_req` are used. Prints what is going to be done.
 *
 * From here on SIGINT and SIGTERM wait, so that none is lost, until somebody
 * can take them and says let_signals_in(). */
void begin_first_series(struct run *run, int argc, char **argv);
void begin_second_series(struct run *run, int argc, char **argv,
                         size_t default_req, size_t most_req);
void let_signals_in(void);
double monotonic_seconds(void);

/* The 194 of country_codes.txt, separated by blanks; made by the build. */
extern const char country_codes[];

/* ---- report.c ---- */

/* Enter what came of a flag: it was saved (NULL), was not found (HTTP status
 * 404) or failed. A cancelled flag is left for end_run() to count. */
void count(struct flag *flag, const vetch_error *error);

/* Print the account and release what the run holds. Returns the exit status:
 * 0, 1 if there were errors, 128 + N if signal N ended the run. */
int end_run(struct run *run);

/* ---- progress.c ---- */

void show_progress(struct run *run);
void end_progress(struct run *run);

/* ---- save.c ---- */

/* Make `name` in directory `dir` of the given bytes: all of it or nothing,
 * through a temporary file. -1 and errno. Thread: any. */
int save_file(int dir, const char *name, const void *data, size_t len);

/* Set flag->url to that of a file of the flag, and return it. */
const char *flag_url(struct flag *flag, const char *file);
#define IMAGE    ".gif" /* its name begins with the country code */
#define METADATA "metadata.json"

/* Set flag->name: to CC.gif, or to Country_Name-CC.gif with the name that the
 * metadata (JSON) gives. Returns why that cannot be. */
void name_by_code(struct flag *flag);
vetch_error *name_by_country(struct flag *flag,
                             const vetch_http_response *metadata);

/* Turn a status other than 200 into an error, VETCH_EHTTP + status. */
vetch_error *check_status(const struct flag *flag, unsigned status);

/* Save flag->bytes as flag->name. The second form is a job for an executor:
 * `arg` is the flag. Thread: any. */
vetch_error *save_image(struct flag *flag);
void *save_image_job(void *arg, vetch_error **ret_error);

/* ---- loop.c ---- */

/* A reactor, a client and a semaphore for the run; ends the program with
 * status 1 if they cannot be had. */
void open_loop(struct run *run);
/* The same with all that comes before it: the command line of the third
 * series. */
void begin_third_series(struct run *run, int argc, char **argv);
/* Run until `downloads` has settled, or is cancelled by a signal. */
void run_loop(struct run *run, vetch_promise *downloads);
/* Save flag->bytes as flag->name, without holding up the loop. */
vetch_promise *save_flag(struct flag *flag);
/* Count what comes of a flag; the promise returned is always fulfilled. */
vetch_promise *count_outcome(vetch_promise *p, struct flag *flag);
/* End the loop (what is still in flight is cancelled first), then the run. */
int end_loop(struct run *run);

#endif
