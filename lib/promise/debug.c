/* What a program waits for: sites, names and the dump.
 *
 * While debugging is on, a side table keeps where promises were attached and
 * what they are called; a node says by a flag that it stands there, so that
 * programs that do not debug pay nothing but the test of that flag. The dump
 * needs no table: the pool finds every pending promise. */
#define VETCH_NO_SITES /* the functions themselves are meant here */
#include <vetch/debug.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/buffer.h>
#include <vetch/combinators.h>
#include <vetch/error.h>
#include <vetch/log.h>
#include <vetch/signal.h>

#include "base/check-private.h"
#include "promise/executor-private.h"
#include "promise/promise-private.h"
#include "reactor/dump-private.h"

#define MIN_BUCKETS ((size_t)4096)
#define LINE_SIZE   512

struct site {
    struct site *next;
    vetch_promise *promise;
    const char *place; /* static */
    char *name;
};

struct vetch__sites {
    struct site **buckets;
    size_t n_buckets, n_sites;
};

/* ---- the table ---- */

static struct site **
site_find(struct vetch__sites *sites, const vetch_promise *p)
{
    struct site **at =
        &sites->buckets[(uintptr_t)p / VETCH__NODE_SIZE % sites->n_buckets];

    while (*at != NULL && (*at)->promise != p)
        at = &(*at)->next;
    return at;
}

static struct vetch__sites *
sites_new(void)
{
    struct vetch__sites *sites = vetch__calloc(1, sizeof(*sites));

    if (sites == NULL)
        return NULL;
    sites->n_buckets = MIN_BUCKETS;
    sites->buckets = vetch__calloc(MIN_BUCKETS, sizeof(*sites->buckets));
    if (sites->buckets != NULL)
        return sites;
    vetch__free(sites);
    return NULL;
}

/* Twice as many buckets; without the memory it goes on, a little slower. */
static void
sites_grow(struct vetch__sites *sites)
{
    struct vetch__sites more = { .n_buckets = 2 * sites->n_buckets,
                                 .n_sites = sites->n_sites };
    struct site *s, *next;

    more.buckets = vetch__calloc(more.n_buckets, sizeof(*more.buckets));
    if (more.buckets == NULL)
        return;
    for (size_t i = 0; i < sites->n_buckets; i++) {
        for (s = sites->buckets[i]; s != NULL; s = next) {
            struct site **at = site_find(&more, s->promise);

            next = s->next;
            s->next = NULL;
            *at = s;
        }
    }
    vetch__free(sites->buckets);
    *sites = more;
}

/* The entry of a promise, made if needed; NULL without debugging, or without
 * memory for it. */
static struct site *
site_of(vetch_promise *p)
{
    vetch_reactor *r = vetch__reactor;
    struct site **at;

    if (r == NULL || !r->debug || p->object.refs == VETCH__IMMORTAL)
        return NULL;
    if (r->sites == NULL)
        r->sites = sites_new();
    if (r->sites == NULL)
        return NULL;
    if (r->sites->n_sites >= r->sites->n_buckets)
        sites_grow(r->sites);
    at = site_find(r->sites, p);
    if (*at == NULL) {
        *at = vetch__calloc(1, sizeof(**at));
        if (*at == NULL)
            return NULL;
        (*at)->promise = p;
        r->sites->n_sites++;
        p->object.flags |= VETCH__SITED;
    }
    return *at;
}

static const struct site *
site_lookup(const vetch_promise *p)
{
    vetch_reactor *r;

    if (!(p->object.flags & VETCH__SITED)) /* it may not be the pool's */
        return NULL;
    r = vetch__pool_of(p)->owner;
    return r == NULL || r->sites == NULL ? NULL : *site_find(r->sites, p);
}

static void
site_free(struct site *s)
{
    vetch__free(s->name);
    vetch__free(s);
}

void
vetch__site_forget(vetch_promise *p)
{
    vetch_reactor *r = vetch__pool_of(p)->owner;
    struct site **at, *s;

    if (r == NULL || r->sites == NULL)
        return;
    at = site_find(r->sites, p);
    s = *at;
    if (s == NULL)
        return;
    *at = s->next;
    r->sites->n_sites--;
    site_free(s);
}

void
vetch__sites_done(vetch_reactor *r)
{
    if (r->sites == NULL)
        return;
    for (size_t i = 0; i < r->sites->n_buckets; i++) {
        struct site *s, *next;

        for (s = r->sites->buckets[i]; s != NULL; s = next) {
            next = s->next;
            site_free(s);
        }
    }
    vetch__free(r->sites->buckets);
    vetch__free(r->sites);
    r->sites = NULL;
}

/* Apart, so that the usual way through its caller, which every link takes,
 * saves no register. */
static vetch_promise *__attribute__((noinline))
remember_place(vetch_promise *p, const char *place)
{
    struct site *s = site_of(p);

    if (s != NULL)
        s->place = place;
    return p;
}

vetch_promise *
vetch_promise_at(vetch_promise *p, const char *place)
{
    const vetch_reactor *r = vetch__reactor;

    VETCH_CHECK(p != NULL, EINVAL, NULL);
    if (vetch__likely(r == NULL || !r->debug))
        return p;
    return remember_place(p, place);
}

static char *
site_format(const char *fmt, va_list args)
{
    char text[LINE_SIZE];

    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        return NULL;
    return vetch__strdup(text);
}

vetch_promise *
vetch_promise_name(vetch_promise *p, const char *fmt, ...)
{
    struct site *s;
    va_list args;

    VETCH_CHECK(p != NULL, EINVAL, NULL);
    s = site_of(p);
    if (s == NULL)
        return p;
    vetch__free(s->name);
    va_start(args, fmt);
    s->name = site_format(fmt, args);
    va_end(args);
    return p;
}

/* ---- words ---- */

static const char *
link_word(const vetch_promise *p)
{
    if (p->second.flags & VETCH__CATCH)
        return "catch";
    return p->u.link.on_error != NULL ? "handle" : "then";
}

static const void *
link_function(const vetch_promise *p)
{
    if (p->u.link.on_value != NULL)
        return (const void *)(uintptr_t)p->u.link.on_value;
    return (const void *)(uintptr_t)p->u.link.on_error;
}

/* What it is, without name and site. Once it has settled, the outcome stands
 * where its function stood. */
static void
describe_kind(const vetch_promise *p, char *to, size_t size)
{
    char fn[VETCH__FUNCTION_NAME];

    if (vetch__settled(p)) {
        snprintf(to, size, "a promise");
        return;
    }
    switch ((enum vetch__kind)p->second.state) {
    case VETCH__K_LINK:
        snprintf(to, size, "%s %s", link_word(p),
                 vetch__function_name(link_function(p), fn));
        break;
    case VETCH__K_FINALLY:
        snprintf(
            to, size, "finally %s",
            vetch__function_name((const void *)(uintptr_t)p->u.finally.fn, fn));
        break;
    case VETCH__K_FOLLOW:
        snprintf(to, size, "takes the outcome");
        break;
    case VETCH__K_SHIELD:
        snprintf(to, size, "shield");
        break;
    case VETCH__K_CALLBACK:
        snprintf(to, size, "callback %s",
                 vetch__function_name(
                     (const void *)(uintptr_t)p->u.callback.done, fn));
        break;
    case VETCH__K_WATCH:
    case VETCH__K_INPUT:
        snprintf(to, size, "watched");
        break;
    case VETCH__K_PRODUCED:
    case VETCH__K_JOINT:
        if (p->u.producer.cancel == NULL)
            snprintf(to, size, "an operation");
        else
            snprintf(to, size, "an operation that %s stops",
                     vetch__function_name(
                         (const void *)(uintptr_t)p->u.producer.cancel, fn));
        break;
    }
}

const char *
vetch__promise_describe(vetch_promise *p)
{
    static __thread char line[LINE_SIZE];
    char kind[VETCH__FUNCTION_NAME + 32];
    const struct site *s = site_lookup(p);
    const char *name = s == NULL ? NULL : s->name;
    const char *place = s == NULL ? NULL : s->place;

    if (name == NULL) {
        describe_kind(p, kind, sizeof(kind));
        name = kind;
    }
    snprintf(line, sizeof(line), "%s%s%s", name, place == NULL ? "" : " at ",
             place == NULL ? "" : place);
    return line;
}

const char *
vetch__promise_origin(vetch_promise *p)
{
    static __thread char text[LINE_SIZE];
    const struct site *s = site_lookup(p);

    if (s == NULL)
        return "";
    snprintf(text, sizeof(text), " (%s)", vetch__promise_describe(p));
    return text;
}

/* ---- the dump ---- */

static void
dump_promise(struct vetch__dump *d, size_t depth, vetch_promise *p)
{
    vetch_deferred *owner =
        p->second.state == VETCH__K_INPUT ? vetch__input_owner(p) : NULL;

    if (owner != NULL)
        vetch__dump_line(d, depth, "for %s",
                         vetch__promise_describe(vetch__deferred_node(owner)));
    else
        vetch__dump_line(d, depth, "%s%s", vetch__promise_describe(p),
                         p->object.flags & VETCH__CANCELING ? " (asked to stop)"
                                                            : "");
}

/* One operation and all that waits for it: down to the first waiter, over to
 * the next, up again. A chain may be as long as memory allows, so this walks
 * and does not recurse. */
static void
dump_tree(struct vetch__dump *d, vetch_promise *root)
{
    vetch_promise *at = root;
    size_t depth = 0;

    for (;;) {
        dump_promise(d, depth, at);
        if (vetch__first_waiter(at) != NULL) {
            at = vetch__first_waiter(at);
            depth++;
            continue;
        }
        while (at != root && vetch__next_waiter(at) == NULL) {
            at = vetch__promise_source(at);
            depth--;
        }
        if (at == root)
            return;
        at = vetch__next_waiter(at);
    }
}

static void
dump_root(void *node, void *ctx)
{
    vetch_promise *p = node;

    if (p->object.type == VETCH__PROMISE && !vetch__settled(p) &&
        p->second.state <= VETCH__K_JOINT)
        dump_tree(ctx, p);
}

static void
count_pending(void *node, void *ctx)
{
    const vetch_promise *p = node;
    size_t *n = ctx;

    if (p->object.type == VETCH__PROMISE && !vetch__settled(p))
        ++*n;
}

static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static void
dump_promises(vetch_reactor *r, struct vetch__dump *d)
{
    size_t n = 0;

    vetch__pool_walk(r->pool, count_pending, &n);
    vetch__dump_section(d, "%zu promises are pending", n);
    vetch__pool_walk(r->pool, dump_root, d);
}

int
vetch_reactor_dump(vetch_reactor *r, int fd)
{
    struct vetch__dump d = { .out = NULL };
    int result = -1;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    d.out = vetch_buffer_new();
    if (d.out == NULL)
        return -1;
    dump_promises(r, &d);
    vetch__dump_members(r, &d);
    vetch__dump_timers(r, &d);
    vetch__executors_dump(r, &d);
    vetch__dump_end(&d);
    if (d.failed)
        errno = ENOMEM;
    else
        result =
            write_all(fd, vetch_buffer_data(d.out), vetch_buffer_len(d.out));
    vetch_buffer_free(d.out);
    return result;
}

/* ---- by signal ---- */

static vetch_promise *
dump_now(void *signum, void *ctx)
{
    (void)signum;
    (void)ctx;
    vetch_reactor_dump(vetch__reactor, STDERR_FILENO);
    return NULL;
}

static vetch_promise *
wait_for_signal(void *signum)
{
    return vetch_then(vetch_signal((int)(intptr_t)signum), dump_now, NULL);
}

static int
errno_of(vetch_promise *refused)
{
    int code = vetch_error_code(vetch_promise_error(refused));

    return code < VETCH_ETIMEDOUT ? code : ECANCELED;
}

int
vetch_reactor_dump_on_signal(vetch_reactor *r, int signum)
{
    vetch_promise *first;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (!vetch__check_thread(&r->owner, "a reactor"))
        return -1;
    first = vetch_signal(signum); /* tells whether the signal can be had */
    if (vetch_promise_state(first) == VETCH_REJECTED) {
        errno = errno_of(first);
        vetch_promise_unref(first);
        return -1;
    }
    vetch_promise_cancel(first);
    vetch_promise_unref(first);
    vetch_promise_unref(
        vetch_repeat(wait_for_signal, (void *)(intptr_t)signum));
    return 0;
}
