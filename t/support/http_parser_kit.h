/* Feeds bytes to the HTTP engine in steps and tells what came out as text, one
 * line a message:
 *
 *   GET /path?query keep|close [body]
 *   200 keep|close [body]
 *   !400                              refused
 *   ...                               more is needed (nothing follows)
 */

#ifndef T_HTTP_PARSER_KIT_H
#define T_HTTP_PARSER_KIT_H

#include <stdbool.h>
#include <stddef.h>

#include "http/message/parser-private.h"

struct hpk_feed {
    bool response;
    bool to_head; /* the responses answer HEAD requests */
    bool eof;     /* the peer closes after the last byte */
    size_t step;  /* bytes at a time; 0: all at once */
    struct vetch__http_limits limits;
    const char *why; /* of the last refusal */
};

#define HPK_FIELDS 100

/* Free the result. Aborts on a result that the engine must never give. */
char *hpk_run(struct hpk_feed *f, const char *input, size_t len);

/* Run the input at once and in steps of 1, 2, 3 and 7 bytes; true if the
 * outcome is the given one each time, else say on stderr what came. */
bool hpk_gives(struct hpk_feed f, const char *input, size_t len,
               const char *outcome);
/* The same with `n` times `what` between two strings. */
bool hpk_repeated_gives(struct hpk_feed f, const char *before, const char *what,
                        size_t n, const char *after, const char *outcome);
/* `n` times `what`; free it. */
char *hpk_repeat(const char *what, size_t n);

/* Rows of { input, outcome } in one assertion each. */
struct hpk_row {
    const char *input;
    const char *outcome;
};
#define HPK_ROWS(feed, ...)                                                    \
    do {                                                                       \
        static const struct hpk_row rows[] = { __VA_ARGS__ };                  \
        size_t row;                                                            \
                                                                               \
        for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)             \
            ck_assert_msg(hpk_gives(feed, rows[row].input,                     \
                                    strlen(rows[row].input),                   \
                                    rows[row].outcome),                        \
                          "row %zu", row);                                     \
    } while (0)

#endif
