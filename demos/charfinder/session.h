/* What a session of the servers keeps and says, however it is written. */
#ifndef DEMOS_CHARFINDER_SESSION_H
#define DEMOS_CHARFINDER_SESSION_H

#include <vetch.h>

#include "index.h"
#include "text.h"

#define PROMPT     "?> "
#define PIECE_SIZE 4096 /* of rows at a time */

struct session {
    vetch_stream *client;           /* borrowed */
    const struct char_index *index; /* borrowed */
    struct query query;             /* the last line */
    struct codes found;             /* by it */
    struct codes_walk rows;         /* those that are still to be sent */
};

/* NULL and errno ENOMEM. */
struct session *begin_session(vetch_stream *client,
                              const struct char_index *index);
/* Takes a session; fits vetch_finally() and vetch_defer(). */
void end_session(void *session);

/* Look at the client's line (NULL: its end). False: the session is over. */
bool take_line(struct session *session, const vetch_bytes *line);
/* Search for the line. -1 and errno ENOMEM. */
int search_line(struct session *session);
/* Put the next piece of rows there: how many bytes, 0 after the last row. */
size_t take_rows(struct session *session, char rows[PIECE_SIZE]);
/* Write the line that follows the rows. */
void write_status(struct session *session);
/* The client has it all. */
void note_sent(const struct session *session);

/* An endpoint string as Python shows such an address: ('127.0.0.1', 2323). */
#define ADDRESS_SIZE 128
void print_address(const char *endpoint, char out[ADDRESS_SIZE]);

#endif
