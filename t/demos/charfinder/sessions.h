/* The sessions of the two servers as functions. */
#ifndef CHARFINDER_SESSIONS_H
#define CHARFINDER_SESSIONS_H

#include <vetch.h>

vetch_promise *converse_by_promises(vetch_stream *client, void *index);
vetch_promise *converse_in_task(vetch_stream *client, void *index);

#endif
