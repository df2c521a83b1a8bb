/* GLib's main context is made to be embedded: it says which descriptors and
 * which timeout it waits for (prepare, query), and takes back what became of
 * them (check, dispatch). A vetch reactor can wait for both, so here the
 * reactor is the loop and GLib the guest. (libevent has no descriptor to poll,
 * which is what the other way round would need.)
 *
 * Between two rounds the reactor watches a copy of GLib's descriptors and a
 * timer. Whatever happens first ends the round: the results are handed to GLib,
 * its sources run, and the next round begins by asking anew. */
#include "glib_in_vetch.h"

#include <stdlib.h>

struct glib_in_vetch {
    GMainContext *context;
    gint priority;
    GPollFD *fds; /* what GLib waits for in this round */
    vetch_descriptor **watches;
    gint n_fds, room;
    vetch_timer *timer;
};

static void begin_round(struct glib_in_vetch *g);

static void
stop_watching(struct glib_in_vetch *g)
{
    for (gint i = 0; i < g->n_fds; i++) {
        if (g->watches[i] == NULL)
            continue;
        vetch_descriptor_cancel(g->watches[i]);
        g->watches[i] = vetch_descriptor_unref(g->watches[i]);
    }
    g->n_fds = 0;
    if (g->timer != NULL)
        vetch_timer_cancel(g->timer);
    g->timer = vetch_timer_unref(g->timer);
}

/* GLib's flags are poll(2)'s. */
static void
ask_what_happened(struct glib_in_vetch *g)
{
    g_poll(g->fds, (guint)g->n_fds, 0);
}

static void
end_round(struct glib_in_vetch *g)
{
    if (!g_main_context_acquire(g->context))
        return;
    ask_what_happened(g);
    if (g_main_context_check(g->context, g->priority, g->fds, g->n_fds))
        g_main_context_dispatch(g->context);
    g_main_context_release(g->context);
    stop_watching(g);
    begin_round(g);
}

static void
on_descriptor(vetch_descriptor *d, unsigned events, void *ctx)
{
    (void)d;
    (void)events;
    end_round(ctx);
}

static void
on_timer(vetch_timer *timer, void *ctx)
{
    (void)timer;
    end_round(ctx);
}

static gboolean
make_room(struct glib_in_vetch *g, gint n)
{
    GPollFD *fds = realloc(g->fds, (size_t)n * sizeof(*fds));
    vetch_descriptor **watches;

    if (fds == NULL)
        return FALSE;
    g->fds = fds;
    watches = realloc(g->watches, (size_t)n * sizeof(*watches));
    if (watches == NULL)
        return FALSE;
    g->watches = watches;
    g->room = n;
    return TRUE;
}

/* How long GLib would wait, in ms; -1: for ever. */
static gint
query(struct glib_in_vetch *g)
{
    gint timeout, n;

    while ((n = g_main_context_query(g->context, g->priority, &timeout, g->fds,
                                     g->room)) > g->room)
        if (!make_room(g, n))
            return 10; /* without memory: look again in a while */
    g->n_fds = n;
    return timeout;
}

static void
watch(struct glib_in_vetch *g, gint timeout_ms)
{
    for (gint i = 0; i < g->n_fds; i++) {
        unsigned events = 0;

        if (g->fds[i].events & (G_IO_IN | G_IO_PRI))
            events |= VETCH_READABLE;
        if (g->fds[i].events & G_IO_OUT)
            events |= VETCH_WRITABLE;
        g->watches[i] =
            vetch_descriptor_new(g->fds[i].fd, events, on_descriptor, g);
        if (g->watches[i] == NULL) /* a plain file: always ready */
            timeout_ms = 0;
    }
    if (timeout_ms >= 0)
        g->timer = vetch_timer_new(timeout_ms / 1000.0, on_timer, g);
}

static void
begin_round(struct glib_in_vetch *g)
{
    gboolean ready;
    gint timeout_ms;

    if (!g_main_context_acquire(g->context))
        return;
    ready = g_main_context_prepare(g->context, &g->priority);
    timeout_ms = query(g);
    g_main_context_release(g->context);
    watch(g, ready ? 0 : timeout_ms);
}

struct glib_in_vetch *
glib_in_vetch_new(GMainContext *context)
{
    struct glib_in_vetch *g = calloc(1, sizeof(*g));

    if (g == NULL)
        return NULL;
    g->context = g_main_context_ref(context);
    begin_round(g);
    return g;
}

void
glib_in_vetch_free(struct glib_in_vetch *g)
{
    if (g == NULL)
        return;
    stop_watching(g);
    g_main_context_unref(g->context);
    free(g->watches);
    free(g->fds);
    free(g);
}
