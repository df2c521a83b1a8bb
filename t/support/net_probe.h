/* Connections for the tests of lib/net: pairs of each kind, and a protocol that
 * writes down what happens to it. */
#ifndef T_NET_PROBE_H
#define T_NET_PROBE_H

#include <stddef.h>

#include "support/harness.h"

enum np_kind { NP_TCP, NP_UNIX, NP_MEMORY, NP_KINDS };

/* Letters of a trace. */
#define NP_CONNECTED 'c'
#define NP_RECEIVED  'r'
#define NP_ENDED     'e'
#define NP_PAUSED    'p'
#define NP_RESUMED   'u'
#define NP_SENT      's' /* write_ended, where `hears_sent` */
#define NP_LOST      'l'
#define NP_FREED     'f'

struct probe {
    vetch_protocol protocol;
    vetch_transport *t; /* borrowed, from connected to lost */
    char trace[128];    /* a letter for each call; `r` once in a row */
    size_t n_trace;
    char *data; /* what was consumed */
    size_t n_data;
    size_t n_calls; /* of received */
    size_t keep;    /* bytes left in the buffer by each received */
    size_t n_left;  /* seen in the buffer by the last one */
    bool stay_open; /* the answer of ended */
    bool hears_sent;
    int lost_code; /* -1: not lost; 0: in good order */
    char lost_text[160];
    /* Called from every callback, after it was written down. */
    void (*act)(struct probe *p, char event);
    void *arg;
};

/* Ready to be attached; np_done() frees what it holds. */
void np_init(struct probe *p);
void np_done(struct probe *p);
bool np_has(const struct probe *p, char event);

/* Two connected transports that have no protocol yet. */
void np_pair(enum np_kind kind, vetch_transport *ends[2]);
/* The same, with probes attached and connected; the only references are the
 * reactor's. */
void np_connect(enum np_kind kind, struct probe ends[2]);

/* Two connected descriptors, non-blocking, close-on-exec. */
void np_tcp_fds(int fds[2]);
/* A transport on one of them. */
vetch_transport *np_adopt(int fd);

/* Run the loop until the condition holds; a test that waits in vain runs into
 * its time limit. */
#define np_until(condition)                                                    \
    do {                                                                       \
        vt_run_ready();                                                        \
        while (!(condition))                                                   \
            np_turn();                                                         \
    } while (0)
void np_turn(void);

/* Close what is open, see that everything ended, and free the probes. */
void np_finish(struct probe ends[2]);
void np_write_all(vetch_transport *t, const char *text);
/* This, and no more, was received. */
void np_assert_data(const struct probe *p, const char *text);

/* n bytes of a pattern in which every position shows. */
char *np_pattern(size_t n);

#endif
