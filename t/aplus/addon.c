/* vetch promises for JavaScript, so that the suite by which JavaScript's own
 * promise libraries are judged can be run against them.
 *
 * The reactor adopts a libevent loop that is turned inside Node's: whatever
 * JavaScript does here starts an idle handle, which turns the libevent loop
 * without blocking until nothing is ready. Handlers are ordinary vetch
 * handlers that call JavaScript; adoption, cycles, order and the passing on of
 * outcomes are the library's. What has no meaning in C stays in adapter.js.
 *
 * In JavaScript a promise whose resolving functions were collected as garbage
 * stays pending for ever; a deferred of vetch that is released unsettled
 * rejects. So deferreds are not released here.
 *
 * A JavaScript value travels as a box that holds a reference to it; a reason
 * for rejection as an error whose code, from VETCH_EUSER on, is its place in a
 * table. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <node_api.h>
#include <uv.h>

#define VETCH_NO_SITES
#include <vetch.h>

static napi_env js;
static struct event_base *base;
static vetch_reactor *reactor;
static uv_idle_t idle;
static unsigned callbacks; /* of JavaScript, made so far */

static void
check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "aplus: %s failed\n", what);
    abort();
}
#define NAPI(call) check((call) == napi_ok, #call)

/* ---- values and reasons ---- */

struct box {
    napi_ref ref; /* of an object with the value in it: any value will do */
};

static void
unbox(void *arg)
{
    struct box *box = arg;

    NAPI(napi_delete_reference(js, box->ref));
    free(box);
}

static struct box *
box_value(napi_value value)
{
    struct box *box = malloc(sizeof(*box));
    napi_value holder;

    check(box != NULL, "malloc");
    NAPI(napi_create_object(js, &holder));
    NAPI(napi_set_named_property(js, holder, "value", value));
    NAPI(napi_create_reference(js, holder, 1, &box->ref));
    return box;
}

static napi_value
boxed_value(const struct box *box)
{
    napi_value holder, value;

    if (box == NULL) {
        NAPI(napi_get_undefined(js, &value));
        return value;
    }
    NAPI(napi_get_reference_value(js, box->ref, &holder));
    NAPI(napi_get_named_property(js, holder, "value", &value));
    return value;
}

static struct box **reasons;
static int n_reasons;

static vetch_error *
error_of(napi_value reason)
{
    reasons = realloc(reasons, (size_t)(n_reasons + 1) * sizeof(reasons[0]));
    check(reasons != NULL, "realloc");
    reasons[n_reasons] = box_value(reason);
    return vetch_error_new(VETCH_EUSER + n_reasons++, "a JavaScript reason");
}

static napi_value
reason_of(const vetch_error *error)
{
    int code = vetch_error_code(error);
    napi_value message, value;

    if (code >= VETCH_EUSER)
        return boxed_value(reasons[code - VETCH_EUSER]);
    NAPI(napi_create_string_utf8(js, vetch_error_text(error), NAPI_AUTO_LENGTH,
                                 &message));
    if (code == VETCH_ECYCLE) /* what section 2.3.1 asks for */
        NAPI(napi_create_type_error(js, NULL, message, &value));
    else
        NAPI(napi_create_error(js, NULL, message, &value));
    return value;
}

/* ---- the loop in the loop ---- */

static void
turn(uv_idle_t *handle)
{
    unsigned before = callbacks;
    napi_handle_scope scope;

    NAPI(napi_open_handle_scope(js, &scope));
    event_base_loop(base, EVLOOP_NONBLOCK);
    NAPI(napi_close_handle_scope(js, scope));
    if (callbacks == before)
        uv_idle_stop(handle);
}

static void
wake(void)
{
    uv_idle_start(&idle, turn);
}

/* ---- handles ---- */

static void
drop_promise(napi_env e, void *p, void *hint)
{
    (void)e;
    (void)hint;
    vetch_promise_unref(p);
}

static napi_value
wrap(void *object, napi_finalize drop)
{
    napi_value value;

    NAPI(napi_create_external(js, object, drop, NULL, &value));
    return value;
}

static void *
unwrap(napi_value value)
{
    void *object;

    NAPI(napi_get_value_external(js, value, &object));
    return object;
}

static void
arguments(napi_callback_info info, napi_value *args, size_t n)
{
    size_t count = n;

    NAPI(napi_get_cb_info(js, info, &count, args, NULL, NULL));
    check(count == n, "the number of arguments");
    wake();
}

/* ---- handlers ---- */

struct handlers {
    napi_ref on_value, on_error; /* NULL: none */
};

/* What a JavaScript handler gave back: adapter.js marks promises of ours. */
static vetch_promise *
answer(napi_value result)
{
    napi_valuetype type;

    NAPI(napi_typeof(js, result, &type));
    if (type == napi_external)
        return vetch_promise_ref(unwrap(result));
    return vetch_resolved(box_value(result), unbox);
}

static vetch_promise *
call(napi_ref handler, napi_value argument)
{
    napi_value fn, global, result, reason;
    napi_status status;

    callbacks++;
    NAPI(napi_get_reference_value(js, handler, &fn));
    NAPI(napi_get_global(js, &global));
    status = napi_make_callback(js, NULL, global, fn, 1, &argument, &result);
    if (status == napi_pending_exception) {
        NAPI(napi_get_and_clear_last_exception(js, &reason));
        return vetch_rejected(error_of(reason));
    }
    check(status == napi_ok, "napi_make_callback");
    return answer(result);
}

static vetch_promise *
on_value(void *value, void *ctx)
{
    struct handlers *h = ctx;

    return h->on_value == NULL ? vetch_same()
                               : call(h->on_value, boxed_value(value));
}

static vetch_promise *
on_error(const vetch_error *error, void *ctx)
{
    struct handlers *h = ctx;

    return h->on_error == NULL ? vetch_same()
                               : call(h->on_error, reason_of(error));
}

static void
free_handlers(void *ctx)
{
    struct handlers *h = ctx;

    if (h->on_value != NULL)
        NAPI(napi_delete_reference(js, h->on_value));
    if (h->on_error != NULL)
        NAPI(napi_delete_reference(js, h->on_error));
    free(h);
}

static napi_ref
keep_function(napi_value value)
{
    napi_valuetype type;
    napi_ref ref;

    NAPI(napi_typeof(js, value, &type));
    if (type != napi_function)
        return NULL;
    NAPI(napi_create_reference(js, value, 1, &ref));
    return ref;
}

/* ---- what JavaScript calls ---- */

static napi_value
deferred(napi_env e, napi_callback_info info)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);

    (void)e;
    (void)info;
    check(d != NULL, "vetch_deferred_new");
    return wrap(d, NULL); /* for ever: see above */
}

static napi_value
promise(napi_env e, napi_callback_info info)
{
    napi_value args[1];

    (void)e;
    arguments(info, args, 1);
    return wrap(vetch_deferred_promise(unwrap(args[0])), drop_promise);
}

static napi_value
resolve(napi_env e, napi_callback_info info)
{
    napi_value args[2];

    (void)e;
    arguments(info, args, 2);
    vetch_deferred_resolve(unwrap(args[0]), box_value(args[1]), unbox);
    return NULL;
}

static napi_value
reject(napi_env e, napi_callback_info info)
{
    napi_value args[2];

    (void)e;
    arguments(info, args, 2);
    vetch_deferred_reject(unwrap(args[0]), error_of(args[1]));
    return NULL;
}

static napi_value
follow(napi_env e, napi_callback_info info)
{
    napi_value args[2];

    (void)e;
    arguments(info, args, 2);
    vetch_deferred_follow(unwrap(args[0]), vetch_promise_ref(unwrap(args[1])));
    return NULL;
}

static napi_value
then(napi_env e, napi_callback_info info)
{
    struct handlers *h = malloc(sizeof(*h));
    napi_value args[3];
    vetch_promise *p;

    (void)e;
    check(h != NULL, "malloc");
    arguments(info, args, 3);
    h->on_value = keep_function(args[1]);
    h->on_error = keep_function(args[2]);
    p = vetch_promise_ref(unwrap(args[0]));
    p = vetch_handle(p, on_value, on_error, h);
    vetch_promise_unref(vetch_finally(vetch_promise_ref(p), free_handlers, h));
    return wrap(p, drop_promise);
}

/* JavaScript has its own idea of what an unhandled rejection is. */
static void
ignore(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback fn;
    } functions[] = { { "deferred", deferred }, { "promise", promise },
                      { "resolve", resolve },   { "reject", reject },
                      { "follow", follow },     { "then", then } };
    struct uv_loop_s *loop;

    js = env;
    base = event_base_new();
    check(base != NULL, "event_base_new");
    reactor = vetch_reactor_adopt(base);
    check(reactor != NULL, "vetch_reactor_adopt");
    vetch_reactor_set_rejection_hook(reactor, ignore, NULL);
    NAPI(napi_get_uv_event_loop(js, &loop));
    check(uv_idle_init(loop, &idle) == 0, "uv_idle_init");
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        napi_value fn;

        NAPI(napi_create_function(js, functions[i].name, NAPI_AUTO_LENGTH,
                                  functions[i].fn, NULL, &fn));
        NAPI(napi_set_named_property(js, exports, functions[i].name, fn));
    }
    return exports;
}
