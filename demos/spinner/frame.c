/* The look of the animation.  A frame begins with a carriage return, so that
 * each one covers the last; into a pipe, where that would be noise, nothing
 * is drawn at all. */

#include "frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char text[] = "thinking!";
static const char shapes[] = "|/-\\";

void
draw_frame(unsigned i)
{
    if (!isatty(STDOUT_FILENO))
        return;
    printf("\r%c %s", shapes[i % strlen(shapes)], text);
    fflush(stdout);
}

void
erase_frame(void)
{
    if (!isatty(STDOUT_FILENO))
        return;
    printf("\r%*s\r", (int)strlen(text) + 2, "");
    fflush(stdout);
}

double
seconds_argument(int argc, char **argv)
{
    char *end;
    double seconds;

    if (argc == 1)
        return 3.0;
    seconds = strtod(argv[1], &end);
    if (argc == 2 && end != argv[1] && *end == '\0' && seconds >= 0.0 &&
        seconds <= 3600.0)
        return seconds;
    fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
    exit(2);
}
