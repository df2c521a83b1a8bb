/* What both spinners share: how a frame looks, and the command line. */
#ifndef SPINNER_FRAME_H
#define SPINNER_FRAME_H

#define FRAME_SECONDS 0.1

/* Draw the i-th frame over the one before; nothing unless standard output is
 * a terminal. */
void draw_frame(unsigned i);
/* Leave the line as if nothing had been drawn. */
void erase_frame(void);

/* How many seconds the slow work takes: the only argument, or 3. Ends the
 * program with status 2 if it is no such number. */
double seconds_argument(int argc, char **argv);

#endif
