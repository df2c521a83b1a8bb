/* A GLib main context turned by a vetch reactor: both in one thread, neither
 * polling the other. */
#ifndef GLIB_IN_VETCH_H
#define GLIB_IN_VETCH_H

#include <glib.h>
#include <vetch.h>

struct glib_in_vetch;

/* Turn `context` from this thread's reactor until the result is freed. The
 * context must have been made with G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING, so
 * that a source that is added from a vetch callback wakes it. Keeps a reference
 * to it. NULL: out of memory. */
struct glib_in_vetch *glib_in_vetch_new(GMainContext *context);
void glib_in_vetch_free(struct glib_in_vetch *g);

#endif
