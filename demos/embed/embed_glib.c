/* One thread, two worlds: a GLib timer and a vetch task take turns counting,
 * and GLib's end of a pipe is fed by vetch. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "glib_in_vetch.h"

#define TICKS 3

static int glib_ticks, glib_bytes;

static gboolean
tick(gpointer data)
{
    (void)data;
    printf("GLib's timer: %d\n", ++glib_ticks);
    return glib_ticks < TICKS ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
byte_came(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    char byte;

    (void)condition;
    (void)data;
    if (read(g_io_channel_unix_get_fd(channel), &byte, 1) == 1) {
        printf("GLib read '%c'\n", byte);
        glib_bytes++;
    }
    return G_SOURCE_CONTINUE;
}

/* Writes a digit into the pipe, in a while. */
static void
feed(int fd, int digit)
{
    char byte = (char)('0' + digit);

    vetch_try(vetch_sleep(0.02));
    printf("vetch's task: %d\n", digit);
    if (write(fd, &byte, 1) != 1)
        vetch_try(vetch_rejected(vetch_error_from_errno(errno, "write")));
}

/* A task of vetch's: it feeds the pipe, and waits until GLib is through. */
static vetch_promise *
count(void *ctx)
{
    for (int i = 1; i <= TICKS; i++)
        feed(*(int *)ctx, i);
    while (glib_ticks < TICKS || glib_bytes < TICKS)
        vetch_try(vetch_sleep(0.005));
    return NULL;
}

static guint
attach(GMainContext *context, GSource *source)
{
    guint id = g_source_attach(source, context);

    g_source_unref(source);
    return id;
}

int
main(void)
{
    GMainContext *context =
        g_main_context_new_with_flags(G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
    vetch_reactor *reactor = vetch_reactor_new();
    struct glib_in_vetch *g;
    vetch_error *error = NULL;
    GIOChannel *channel;
    GSource *source;
    int fds[2];

    if (reactor == NULL || pipe(fds) < 0) {
        perror("embed_glib");
        return 1;
    }
    source = g_timeout_source_new(25);
    g_source_set_callback(source, tick, NULL, NULL);
    attach(context, source);
    channel = g_io_channel_unix_new(fds[0]);
    source = g_io_create_watch(channel, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(byte_came), NULL, NULL);
    attach(context, source);

    g = glib_in_vetch_new(context);
    if (g != NULL)
        vetch_run(vetch_timeout(vetch_spawn(count, &fds[1]), 10), &error);
    if (error != NULL)
        fprintf(stderr, "embed_glib: %s\n", vetch_error_text(error));
    glib_in_vetch_free(g);
    g_source_destroy(source);
    g_io_channel_unref(channel);
    g_main_context_unref(context);
    close(fds[0]);
    close(fds[1]);
    vetch_reactor_unref(reactor);
    if (error != NULL) {
        vetch_error_unref(error);
        return 1;
    }
    return g == NULL;
}
