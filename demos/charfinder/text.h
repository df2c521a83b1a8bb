/* Text in and out: words of queries and names, rows of results. */
#ifndef DEMOS_CHARFINDER_TEXT_H
#define DEMOS_CHARFINDER_TEXT_H

#include "codes.h"

#define WORD_SIZE   64   /* with its NUL; no name has a longer one */
#define NAME_SIZE   128  /* with its NUL */
#define QUERY_SIZE  1024 /* with its NUL */
#define ROW_SIZE    256
#define REPR_SIZE   (4 * QUERY_SIZE)
#define STATUS_SIZE (REPR_SIZE + 64)

/* The next word at `*at`, of letters, digits and underscores, in upper case;
 * what does not fit is cut off. False at the end. `*at` is valid UTF-8. */
bool next_word(const char **at, char word[WORD_SIZE]);

/* A character's name, "" if it has none. */
void char_name(uint32_t code, char name[NAME_SIZE]);
/* As many rows of the walk as fit, each with `eol` after it: how many bytes; 0
 * at its end. `size` is at least ROW_SIZE. */
size_t print_rows(struct codes_walk *walk, const char *eol, char *out,
                  size_t size);

/* What somebody typed. */
struct query {
    char text[QUERY_SIZE]; /* without white space around it */
    size_t len;
    bool farewell; /* a control character in it, or no UTF-8 */
};

/* Read a line. -1 if it is too long. */
int read_query(struct query *query, const void *line, size_t len);
/* In quotes and escaped where needed, as Python's repr() does it. */
void print_repr(const char *text, size_t len, char out[REPR_SIZE]);
/* "10 matches for 'cat face'" */
void print_status(const char *query, size_t n_found, char out[STATUS_SIZE]);

#endif
