/* As much of an HTTP/1 message's head as a proxy has to know. No I/O. */
#ifndef DEMOS_CHAOS_MESSAGE_H
#define DEMOS_CHAOS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct message {
    bool is_head;    /* a request: HEAD */
    unsigned status; /* a response's; 0: a request */
    bool chunked, has_length;
    uint64_t length;
    bool persistent; /* the connection goes on after it */
};

/* Read a head, with its CRLFCRLF. False: it is none. */
bool read_message(struct message *m, const char *head, size_t len);
/* Whether a response to `request` is only a head. */
bool response_has_no_body(const struct message *response,
                          const struct message *request);

#endif
