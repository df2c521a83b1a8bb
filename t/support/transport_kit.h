/* Connections for the tests of lib/net: pairs of each kind, and a protocol that
 * writes down what happens to it. */
#ifndef T_TRANSPORT_KIT_H
#define T_TRANSPORT_KIT_H

#include <stddef.h>

#include "support/harness.h"

#ifdef HAVE_OPENSSL
/* TLS is over memory. */
enum tk_kind { TK_TCP, TK_UNIX, TK_MEMORY, TK_PIPE, TK_TLS, TK_KINDS };
#else
enum tk_kind { TK_TCP, TK_UNIX, TK_MEMORY, TK_PIPE, TK_KINDS, TK_TLS };
#endif

/* Letters of a trace. */
#define TK_CONNECTED 'c'
#define TK_RECEIVED  'r'
#define TK_ENDED     'e'
#define TK_PAUSED    'p'
#define TK_RESUMED   'u'
#define TK_SENT      's' /* write_ended, where `hears_sent` */
#define TK_LOST      'l'
#define TK_FREED     'f'

struct tk_probe {
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
    void (*act)(struct tk_probe *p, char event);
    void *arg;
};

/* Ready to be attached; tk_done() frees what it holds. */
void tk_init(struct tk_probe *p);
void tk_done(struct tk_probe *p);
bool tk_has(const struct tk_probe *p, char event);

/* Two connected transports that have no protocol yet. */
void tk_pair(enum tk_kind kind, vetch_transport *ends[2]);
/* The same, with probes attached and connected; the only references are the
 * reactor's. */
void tk_connect(enum tk_kind kind, struct tk_probe ends[2]);

/* Two connected descriptors, non-blocking, close-on-exec. */
void tk_tcp_fds(int fds[2]);
/* A transport on one of them. */
vetch_transport *tk_adopt(int fd);

/* Run the loop until the condition holds; a test that waits in vain runs into
 * its time limit. */
#define tk_until(condition)                                                    \
    do {                                                                       \
        vt_run_ready();                                                        \
        while (!(condition))                                                   \
            tk_turn();                                                         \
    } while (0)
void tk_turn(void);

/* Close what is open, see that everything ended, and free the probes. */
void tk_finish(struct tk_probe ends[2]);
void tk_write_all(vetch_transport *t, const char *text);
/* This, and no more, was received. */
void tk_assert_data(const struct tk_probe *p, const char *text);

/* n bytes of a pattern in which every position shows. */
char *tk_pattern(size_t n);

#endif
