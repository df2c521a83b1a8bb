/* Chance, which is the same each time: a fault strikes the n-th unit if the
 * number that seed, n and fault draw together is below its percentage. So what
 * is set for one fault changes nothing for the others, and raising a percentage
 * keeps what struck before. */
#include "faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400.0

const struct fault_kind fault_kinds[N_FAULTS] = {
    [FAULT_DELAY] = { "delay", "SECONDS", 0.5, 0, DAY, false,
                      "wait before passing it on" },
    [FAULT_JITTER] = { "jitter", "SECONDS", 0.2, 0, DAY, false,
                       "wait up to SECONDS more" },
    [FAULT_RESET] = { "reset", NULL, 0, 0, 0, false, "reset the connection" },
    [FAULT_GARBAGE] = { "garbage", NULL, 0, 0, 0, false,
                        "answer with noise, then hang up" },
    [FAULT_STATUS] = { "status", "STATUS", 503, 500, 599, true,
                       "answer with this HTTP status" },
    [FAULT_HANG] = { "hang", "SECONDS", 60, 0, DAY, false,
                     "read nothing, then reset the connection" },
    [FAULT_BLACKHOLE] = { "blackhole", NULL, 0, 0, 0, false,
                          "read everything, answer nothing" },
    [FAULT_TRUNCATE] = { "truncate", "BYTES", 100, 0, 1e15, false,
                         "hang up after BYTES of the response" },
    [FAULT_DUPLICATE] = { "duplicate", NULL, 0, 0, 0, false,
                          "send the first piece of the response twice" },
    [FAULT_BANDWIDTH] = { "bandwidth", "BYTES", 10000, 1, 1e12, false,
                          "send BYTES of the response a second" },
};

void
faults_init(struct faults *f, bool http, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    f->http = http;
    f->seed = seed;
    for (int i = 0; i < N_FAULTS; i++)
        f->settings[i].value = fault_kinds[i].preset;
}

enum fault
fault_by_name(const char *name)
{
    int i = 0;

    while (i < N_FAULTS && strcmp(fault_kinds[i].name, name) != 0)
        i++;
    return (enum fault)i;
}

/* A number from `least` to `most`; false if it is none. Sets `*end`. */
static bool
read_number(const char *text, double least, double most, double *ret,
            const char **end)
{
    char *stop;

    *ret = strtod(text, &stop);
    *end = stop;
    return stop != text && *ret >= least && *ret <= most;
}

const char *
faults_set(struct faults *f, enum fault which, const char *text)
{
    const struct fault_kind *kind = &fault_kinds[which];
    struct fault_setting s = f->settings[which];
    const char *end;

    if (!read_number(text, 0, 100, &s.percent, &end))
        return "not a percentage from 0 to 100";
    if (*end == ':' && kind->unit == NULL)
        return "only a percentage is needed";
    if (*end == ':' &&
        !read_number(end + 1, kind->least, kind->most, &s.value, &end))
        return "the value is not in its range";
    if (*end != '\0')
        return "not PERCENT or PERCENT:VALUE";
    if (kind->http_only && !f->http && s.percent > 0)
        return "needs --protocol http";
    f->settings[which] = s;
    return NULL;
}

void
faults_seed(struct faults *f, uint64_t seed)
{
    f->seed = seed;
    f->n_units = 0;
}

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* From 0 to 1, without 1. */
static double
draw(const struct faults *f, uint64_t unit, unsigned what)
{
    return (double)(mix(mix(mix(f->seed) + unit) + what) >> 11) /
           (double)(1ull << 53);
}

/* It strikes, unless another one has taken the response's place. */
static void
strike(struct faults *f, struct plan *plan, uint64_t unit, enum fault which)
{
    bool late = which > FAULT_JITTER;

    for (int i = FAULT_RESET; late && i <= FAULT_BLACKHOLE; i++)
        if (plan->strikes[i])
            return;
    if (draw(f, unit, which) * 100 < f->settings[which].percent) {
        plan->strikes[which] = true;
        f->n_struck[which]++;
    }
}

struct plan
faults_next(struct faults *f)
{
    const struct fault_setting *s = f->settings;
    struct plan plan = { .truncate_bytes = UINT64_MAX };
    uint64_t unit = f->n_units++;

    for (int i = 0; i < N_FAULTS; i++)
        strike(f, &plan, unit, (enum fault)i);
    if (plan.strikes[FAULT_DELAY])
        plan.delay_seconds += s[FAULT_DELAY].value;
    if (plan.strikes[FAULT_JITTER])
        plan.delay_seconds += s[FAULT_JITTER].value * draw(f, unit, N_FAULTS);
    if (plan.strikes[FAULT_TRUNCATE])
        plan.truncate_bytes = (uint64_t)s[FAULT_TRUNCATE].value;
    if (plan.strikes[FAULT_BANDWIDTH])
        plan.bytes_per_second = s[FAULT_BANDWIDTH].value;
    plan.hang_seconds = s[FAULT_HANG].value;
    plan.status = (unsigned)s[FAULT_STATUS].value;
    plan.noise = mix(f->seed + unit);
    return plan;
}

unsigned char
next_noise(uint64_t *state)
{
    unsigned char c;

    do {
        *state = mix(*state);
        c = (unsigned char)*state;
    } while (c == '\n');
    return c;
}
