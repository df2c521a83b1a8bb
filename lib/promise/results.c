/* Results: the settled promises of a combinator, by index. */
#include "promise/results-private.h"

#include <errno.h>

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

size_t
vetch_results_count(const vetch_results *r)
{
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
    vetch_promise *p = at(r, i);

    return p == NULL ? VETCH_PENDING : vetch_promise_state(p);
}

void *
vetch_results_value(const vetch_results *r, size_t i)
{
    vetch_promise *p = at(r, i);

    if (p == NULL || vetch_promise_state(p) != VETCH_FULFILLED)
        return NULL;
    return vetch_promise_value(p);
}

const vetch_error *
vetch_results_error(const vetch_results *r, size_t i)
{
    vetch_promise *p = at(r, i);

    if (p == NULL || vetch_promise_state(p) != VETCH_REJECTED)
        return NULL;
    return vetch_promise_error(p);
}
