/* What lives on a reactor, as text. The lists that are walked here are there
 * anyway, so nothing is paid for a dump that is not made. Timers are many, and
 * of few kinds: they are counted by the function that they call. */
#include "reactor/dump-private.h"

#include <stdarg.h>
#include <stdio.h>

#include "reactor/timer-private.h"

#define MAX_LINES  10000
#define MAX_INDENT 40
#define LINE_SIZE  512
#define MAX_KINDS  64

/* ---- lines ---- */

static void
dump_text(struct vetch__dump *d, size_t indent, const char *fmt, va_list args)
{
    char line[LINE_SIZE];

    vsnprintf(line, sizeof(line), fmt, args);
    if (vetch_buffer_printf(d->out, "%*s%s\n", (int)indent, "", line) < 0)
        d->failed = true;
}

void
vetch__dump_end(struct vetch__dump *d)
{
    if (d->n_lines > MAX_LINES &&
        vetch_buffer_printf(d->out, "  and %zu more\n",
                            d->n_lines - MAX_LINES) < 0)
        d->failed = true;
    d->n_lines = 0;
}

void
vetch__dump_section(struct vetch__dump *d, const char *fmt, ...)
{
    va_list args;

    vetch__dump_end(d);
    va_start(args, fmt);
    dump_text(d, 0, fmt, args);
    va_end(args);
}

void
vetch__dump_line(struct vetch__dump *d, size_t depth, const char *fmt, ...)
{
    size_t indent = 2 * (depth + 1);
    va_list args;

    if (d->n_lines++ >= MAX_LINES)
        return;
    va_start(args, fmt);
    dump_text(d, indent < MAX_INDENT ? indent : MAX_INDENT, fmt, args);
    va_end(args);
}

/* ---- members ---- */

void
vetch__dump_members(const vetch_reactor *r, struct vetch__dump *d)
{
    if (r->n_members == 0)
        return;
    vetch__dump_section(d, "%zu connections, listeners and the like",
                        r->n_members);
    for (struct vetch__list *at = r->members.next; at != &r->members;
         at = at->next) {
        const struct vetch__member *m =
            vetch__container(at, struct vetch__member, link);

        if (m->class->dump != NULL)
            m->class->dump(m, d);
        else
            vetch__dump_line(d, 0, "%s", m->class->name);
    }
}

/* ---- timers ---- */

struct timer_kinds {
    struct {
        const void *fn;
        size_t n;
        uint64_t first;
    } at[MAX_KINDS];
    size_t n, n_timers;
};

/* The last place is for all for which there was none. */
static void
count_timer(const struct vetch__timer *t, void *ctx)
{
    struct timer_kinds *kinds = ctx;
    const void *fn = vetch__timer_function(t);
    size_t i = 0;

    while (i < kinds->n && kinds->at[i].fn != fn)
        i++;
    if (i == MAX_KINDS) {
        i--;
        kinds->at[i].fn = NULL;
    }
    if (i == kinds->n) {
        kinds->n++;
        kinds->at[i].fn = fn;
        kinds->at[i].first = t->deadline;
    }
    if (t->deadline < kinds->at[i].first)
        kinds->at[i].first = t->deadline;
    kinds->at[i].n++;
    kinds->n_timers++;
}

void
vetch__dump_timers(vetch_reactor *r, struct vetch__dump *d)
{
    struct timer_kinds kinds = { .n = 0 };
    char name[VETCH__FUNCTION_NAME];
    uint64_t now = vetch__clock_fresh(r);

    vetch__timers_each(r, count_timer, &kinds);
    if (kinds.n == 0)
        return;
    vetch__dump_section(d, "%zu timers run", kinds.n_timers);
    for (size_t i = 0; i < kinds.n; i++) {
        uint64_t first = kinds.at[i].first;
        double left = first > now ? (double)(first - now) / 1e9 : 0;

        vetch__dump_line(d, 0, "%zu %s, the next in %.3f s", kinds.at[i].n,
                         kinds.at[i].fn != NULL
                             ? vetch__function_name(kinds.at[i].fn, name)
                             : "others",
                         left);
    }
}
