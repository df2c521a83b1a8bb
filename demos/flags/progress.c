/* The progress bar: how many, how long, how fast, how much longer.  It is
 * drawn over itself at most ten times a second, and only on a terminal; its
 * width is the terminal's. */

#include "flags.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
#define MAX_BAR        50

static int
terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* m:ss, or ?:?? while there is nothing to reckon with. */
static void
format_time(char *text, size_t size, double seconds)
{
    if (seconds < 0.0 || seconds > 359999.0) {
        snprintf(text, size, "?:??");
        return;
    }
    snprintf(text, size, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
}

static void
draw(const struct run *run, size_t done, double elapsed)
{
    double rate = elapsed > 0.0 ? (double)done / elapsed : 0.0;
    char figures[128], gone[16], left[16], bar[MAX_BAR + 1];
    int room, full;

    format_time(gone, sizeof(gone), elapsed);
    format_time(left, sizeof(left),
                done > 0
                    ? elapsed * (double)(run->n_flags - done) / (double)done
                    : -1.0);
    assert(run->n_flags > 0);
    snprintf(figures, sizeof(figures), "%3zu%% %zu/%zu  %s  %.1f/s  %s left",
             100 * done / run->n_flags, done, run->n_flags, gone, rate, left);
    /* One column stays free: writing into the last one may wrap the line. */
    room = terminal_width() - (int)strlen(figures) - 4;
    if (room > MAX_BAR)
        room = MAX_BAR;
    if (room < 1) {
        printf("\r\033[K%.*s", terminal_width() - 1, figures);
        return;
    }
    full = (int)((size_t)room * done / run->n_flags);
    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(room - full));
    printf("\r\033[K[%.*s] %s", room, bar, figures);
}

void
show_progress(struct run *run)
{
    size_t done = run->ok + run->not_found + run->errors;
    double now;

    if (!run->bar)
        return;
    now = monotonic_seconds();
    if (done < run->n_flags && done > 0 &&
        now - run->bar_drawn < REDRAW_SECONDS)
        return;
    run->bar_drawn = now;
    draw(run, done, now - run->started);
    fflush(stdout);
}

/* Leaves the last state on the screen. */
void
end_progress(struct run *run)
{
    if (!run->bar)
        return;
    draw(run, run->ok + run->not_found + run->errors,
         monotonic_seconds() - run->started);
    putchar('\n');
    run->bar = false;
}
