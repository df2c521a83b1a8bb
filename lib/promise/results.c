/* Results: the settled promises of a combinator, by index. */
#include "promise/results-private.h"

#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/promise-private.h"

vetch_results *
vetch__results_new(size_t n)
{
    vetch_results *r;

    if (n > (SIZE_MAX - sizeof(*r)) / sizeof(r->promises[0])) {
        errno = ENOMEM;
        return NULL;
    }
    r = vetch__calloc(1, sizeof(*r) + n * sizeof(r->promises[0]));
    if (r == NULL)
        return NULL;
    r->object = (struct vetch__object){ .type = VETCH__RESULTS, .refs = 1 };
    r->n = n;
    return r;
}

vetch_results *
vetch_results_ref(vetch_results *r)
{
    if (r != NULL)
        r->object.refs++;
    return r;
}

vetch_results *
vetch_results_unref(vetch_results *r)
{
    if (r == NULL || --r->object.refs > 0)
        return NULL;
    for (size_t i = 0; i < r->n; i++)
        vetch_promise_unref(r->promises[i]);
    vetch__free(r);
    return NULL;
}

/* ---- results as a value ---- */

static bool
has_offers(const vetch_results *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->promises[i] != NULL &&
            vetch__promise_is_offered(vetch__outcome(r->promises[i])))
            return true;
    return false;
}

/* Nobody got the results, so each value goes back; the memory stays for
 * results_settled(). */
static void
results_go_back(void *value, void *ctx)
{
    vetch_results *r = value;

    (void)ctx;
    while (r->n > 0)
        vetch_promise_unref(r->promises[--r->n]);
}

/* They were got, and so were the values in them; or they went back. */
static void
results_settled(void *ctx)
{
    vetch_results *r = ctx;

    if (r->n == 0) {
        vetch__free(r);
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        if (r->promises[i] != NULL)
            vetch__promise_get_offer(r->promises[i]);
}

void
vetch__results_give(vetch_results *r, vetch_deferred *d)
{
    if (has_offers(r))
        vetch_deferred_offer_owned(d, r, vetch_unref, results_go_back, r,
                                   results_settled);
    else
        vetch_deferred_resolve(d, r, vetch_unref);
}

/* ---- looking ---- */

size_t
vetch_results_count(const vetch_results *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->n;
}

static vetch_promise *
at(const vetch_results *r, size_t i)
{
    return i < r->n ? r->promises[i] : NULL;
}

vetch_state
vetch_results_state(const vetch_results *r, size_t i)
{
    vetch_promise *p;

    VETCH_CHECK(r != NULL, EINVAL, VETCH_PENDING);
    p = at(r, i);
    return p == NULL ? VETCH_PENDING : vetch_promise_state(p);
}

void *
vetch_results_value(const vetch_results *r, size_t i)
{
    vetch_promise *p;

    VETCH_CHECK(r != NULL, EINVAL, NULL);
    p = at(r, i);
    if (p == NULL || vetch_promise_state(p) != VETCH_FULFILLED)
        return NULL;
    return vetch_promise_value(p);
}

const vetch_error *
vetch_results_error(const vetch_results *r, size_t i)
{
    vetch_promise *p;

    VETCH_CHECK(r != NULL, EINVAL, NULL);
    p = at(r, i);
    if (p == NULL || vetch_promise_state(p) != VETCH_REJECTED)
        return NULL;
    return vetch_promise_error(p);
}
