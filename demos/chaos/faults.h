/* What may go wrong, how often, and what does this time. No I/O. */
#ifndef DEMOS_CHAOS_FAULTS_H
#define DEMOS_CHAOS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* From FAULT_RESET to FAULT_BLACKHOLE they take the place of the response: the
 * first of them that strikes, and then none of those after it. */
enum fault {
    FAULT_DELAY,
    FAULT_JITTER,
    FAULT_RESET,
    FAULT_GARBAGE,
    FAULT_STATUS,
    FAULT_HANG,
    FAULT_BLACKHOLE,
    FAULT_TRUNCATE,
    FAULT_DUPLICATE,
    FAULT_BANDWIDTH,
    N_FAULTS
};

struct fault_kind {
    const char *name, *unit; /* NULL: it has no value */
    double preset, least, most;
    bool http_only;
    const char *help;
};
extern const struct fault_kind fault_kinds[N_FAULTS];

struct fault_setting {
    double percent, value;
};

struct faults {
    bool http;
    uint64_t seed;
    struct fault_setting settings[N_FAULTS];

    uint64_t n_units; /* connections or, with HTTP, requests */
    uint64_t n_struck[N_FAULTS];
};

/* Nothing goes wrong yet. */
void faults_init(struct faults *f, bool http, uint64_t seed);
/* N_FAULTS if there is none of that name. */
enum fault fault_by_name(const char *name);
/* "PERCENT" or "PERCENT:VALUE". What is wrong with it, or NULL. */
const char *faults_set(struct faults *f, enum fault which, const char *text);
/* Draw the same again as at the beginning. */
void faults_seed(struct faults *f, uint64_t seed);

/* What happens to one connection or request. */
struct plan {
    bool strikes[N_FAULTS];
    double delay_seconds; /* with the jitter */
    double hang_seconds;
    unsigned status;
    uint64_t truncate_bytes; /* UINT64_MAX: not */
    double bytes_per_second; /* 0: as fast as it goes */
    uint64_t noise;          /* a seed for garbage */
};

/* Decide for the next one. What strikes depends on the seed and on the number
 * of the unit alone, and each fault draws for itself. */
struct plan faults_next(struct faults *f);
/* The next byte of noise, never the end of a line. */
unsigned char next_noise(uint64_t *state);

#endif
