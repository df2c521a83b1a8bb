/* Three calls of some far-away service, and the step that ends the job. */
#ifndef HELL_CALLS_H
#define HELL_CALLS_H

#include <vetch.h>

/* Read the command line, [1|2|3|final], which names the stage that is to fail,
 * and make the reactor. Ends the program with status 2 if it is something else,
 * with 1 if there is no reactor. */
vetch_reactor *set_up(int argc, char **argv);

/* Say what went wrong, if something did, and end the reactor; consumes both.
 * Returns the exit status. */
int wind_up(vetch_reactor *reactor, vetch_error *error);

/* Each takes a moment and fulfils with a string that is the caller's to free,
 * or rejects. `request` is copied. */
vetch_promise *find_customer(const char *request); /* stage 1 */
vetch_promise *find_order(const char *request);    /* stage 2 */
vetch_promise *find_parcel(const char *request);   /* stage 3 */

/* The final step needs no waiting. Returns NULL, or what went wrong. */
vetch_error *print_label(const char *parcel);

#endif
