/* The index in its file, between one run and the next. */
#ifndef DEMOS_CHARFINDER_KEEP_H
#define DEMOS_CHARFINDER_KEEP_H

#include <vetch.h>

#include "index.h"

/* A promise of the index: out of its file, if that has a valid one; else built,
 * and put there if that can be done. Threads do the work.
 *
 * The file is $CHARFINDER_INDEX, or charfinder.index in the user's cache folder
 * ($XDG_CACHE_HOME, or .cache at home). */
vetch_promise *open_index(void);

#endif
