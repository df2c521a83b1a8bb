/* A directory for tests of files: a case has fk_make as its set_up and fk_drop
 * as its take_down. */
#ifndef T_FILE_KIT_H
#define T_FILE_KIT_H

#include "support/harness.h"

void fk_make(void);
/* Waits until no thread uses a file any more. */
void fk_drop(void);

/* The path of `name` in there; valid until four more were asked for. */
const char *fk_path(const char *name);
/* Make a file of these bytes, or a named pipe. */
void fk_put(const char *name, const void *data, size_t len);
void fk_put_fifo(const char *name);
/* The file has these bytes, and no others. */
void fk_expect(const char *name, const void *data, size_t len);
/* How many names there are. */
int fk_count(void);
unsigned fk_mode(const char *name);

#endif
