/* The tree of routes: a node for each prefix of segments, literal children
 * sorted, at most one child for a parameter. A search visits each node at most
 * once, because a node is reached by one row of segments only; so no pattern
 * can make it slow. */

#include "http/server/router-private.h"

#include <errno.h>
#include <string.h>

#include "base/mem-private.h"

struct vetch__route_node {
    struct vetch__route_node **children; /* literal, sorted */
    size_t n_children;
    struct vetch__route_node *param; /* any one segment */
    struct vetch__route *routes;     /* of the path that ends here */
    struct vetch__route *rest;       /* of `*name` in place of a child */
    size_t len;
    char segment[];
};

static struct vetch__route_node *
node_new(const char *segment, size_t len)
{
    struct vetch__route_node *n = vetch__calloc(1, sizeof(*n) + len + 1);

    if (n != NULL) {
        n->len = len;
        memcpy(n->segment, segment, len);
    }
    return n;
}

static int
compare(const struct vetch__route_node *n, const char *segment, size_t len)
{
    size_t shorter = n->len < len ? n->len : len;
    int order = memcmp(n->segment, segment, shorter);

    if (order != 0)
        return order;
    return n->len < len ? -1 : n->len > len;
}

/* The index of the child, or where it would have to be. */
static size_t
find_child(const struct vetch__route_node *n, const char *segment, size_t len,
           bool *ret_found)
{
    size_t low = 0, high = n->n_children;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(n->children[middle], segment, len);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static struct vetch__route_node *
literal_child(struct vetch__route_node *n, const char *segment, size_t len)
{
    struct vetch__route_node **children, *child;
    bool found;
    size_t at = find_child(n, segment, len, &found);

    if (found)
        return n->children[at];
    child = node_new(segment, len);
    if (child == NULL)
        return NULL;
    children =
        vetch__realloc(n->children, (n->n_children + 1) * sizeof(children[0]));
    if (children == NULL) {
        vetch__free(child);
        return NULL;
    }
    n->children = children;
    memmove(children + at + 1, children + at,
            (n->n_children - at) * sizeof(children[0]));
    children[at] = child;
    n->n_children++;
    return child;
}

static struct vetch__route_node *
param_child(struct vetch__route_node *n)
{
    if (n->param == NULL)
        n->param = node_new("", 0);
    return n->param;
}

/* ---- adding ---- */

static size_t
segment_len(const char *s)
{
    return strcspn(s, "/");
}

/* Patterns are paths: no empty segment but the last, no `.` or `..`, no
 * control bytes; `*name` only at the end. Collects the names of parameters.
 * False: malformed. */
static bool
check_pattern(const char *pattern, char *names, uint8_t *ret_n)
{
    unsigned segments = 0;
    const char *s = pattern;

    if (*s != '/' || strlen(s) > VETCH__HTTP_HEAD_MAX)
        return false;
    for (*ret_n = 0; *s == '/'; s += segment_len(s)) {
        size_t len = segment_len(++s);

        if (++segments > VETCH__ROUTE_SEGMENTS || !vetch__http_is_value(s, len))
            return false;
        if ((len == 0 && s[0] != '\0') || (len == 1 && s[0] == '.') ||
            (len == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        if (s[0] != ':' && s[0] != '*')
            continue;
        if (len == 1 || *ret_n == VETCH__ROUTE_PARAMS ||
            (s[0] == '*' && s[len] != '\0'))
            return false;
        memcpy(names, s + 1, len - 1);
        names[len - 1] = '\0';
        names += len;
        ++*ret_n;
    }
    return true;
}

/* Where the routes of a pattern hang; the nodes on the way are made. */
static struct vetch__route **
find_place(struct vetch__route_node *n, const char *pattern)
{
    const char *s = pattern;

    while (*s == '/') {
        size_t len = segment_len(++s);

        if (s[0] == '*')
            return &n->rest;
        n = s[0] == ':' ? param_child(n) : literal_child(n, s, len);
        if (n == NULL)
            return NULL;
        s += len;
    }
    return &n->routes;
}

static int
parse_method(const char *method)
{
    if (strcmp(method, "*") == 0)
        return VETCH__ROUTE_ANY_METHOD;
    return vetch__http_method_find(method, strlen(method));
}

static void
route_free(struct vetch__route *route)
{
    if (route->free_ctx != NULL)
        route->free_ctx(route->ctx);
    vetch__free(route->names);
    vetch__free(route);
}

static int
hang_up(struct vetch__router *r, const char *pattern,
        struct vetch__route *route)
{
    struct vetch__route **place, *other;

    if (r->root == NULL)
        r->root = node_new("", 0);
    if (r->root == NULL)
        return -1;
    place = find_place(r->root, pattern);
    if (place == NULL)
        return -1;
    for (other = *place; other != NULL; other = other->next) {
        if (other->method == route->method) {
            errno = EEXIST;
            return -1;
        }
    }
    route->next = *place;
    *place = route;
    return 0;
}

int
vetch__router_add(struct vetch__router *r, const char *method,
                  const char *pattern, const struct vetch__route *route)
{
    struct vetch__route *copy;
    int index = parse_method(method);

    if (index < 0) {
        errno = EINVAL;
        return -1;
    }
    copy = vetch__malloc(sizeof(*copy));
    if (copy == NULL)
        return -1;
    *copy = *route;
    copy->method = (uint8_t)index;
    copy->names = vetch__malloc(strlen(pattern) + 1);
    if (copy->names == NULL)
        goto fail;
    if (!check_pattern(pattern, copy->names, &copy->n_params)) {
        errno = EINVAL;
        goto fail;
    }
    if (hang_up(r, pattern, copy) < 0)
        goto fail;
    return 0;
fail:
    copy->free_ctx = NULL; /* it stays the caller's */
    route_free(copy);
    return -1;
}

/* ---- finding ---- */

struct search {
    const char *path;
    size_t len;
    char separator;
    uint8_t method;
    struct vetch__match *match;
};

/* GET also answers HEAD; an exact method wins over `*`. */
static bool
choose(struct search *s, const struct vetch__route *routes)
{
    const struct vetch__route *route, *second = NULL, *any = NULL;

    for (route = routes; route != NULL; route = route->next) {
        if (route->method == s->method) {
            s->match->route = route;
            return true;
        }
        if (route->method == VETCH__ROUTE_ANY_METHOD) {
            any = route;
            continue;
        }
        if (route->method == VETCH__HTTP_GET) {
            s->match->allowed |= UINT64_C(1) << VETCH__HTTP_HEAD;
            if (s->method == VETCH__HTTP_HEAD)
                second = route;
        }
        s->match->allowed |= UINT64_C(1) << route->method;
    }
    if (routes != NULL) /* the server answers where no route does */
        s->match->allowed |= UINT64_C(1) << VETCH__HTTP_OPTIONS;
    s->match->route = second != NULL ? second : any;
    return s->match->route != NULL;
}

static void
push_param(struct search *s, size_t at, size_t len)
{
    s->match->params[s->match->n_params++] =
        (struct vetch__slice){ (uint32_t)at, (uint32_t)len };
}

/* `at` is where the next segment begins; len + 1 when there is none. Literal
 * segments win over `:name`, that over `*name`. */
static bool
search(struct search *s, const struct vetch__route_node *n, size_t at)
{
    const char *slash;
    size_t end, child;
    bool found;

    if (at > s->len)
        return choose(s, n->routes);
    slash = memchr(s->path + at, s->separator, s->len - at);
    end = slash != NULL ? (size_t)(slash - s->path) : s->len;
    child = find_child(n, s->path + at, end - at, &found);
    if (found && search(s, n->children[child], end + 1))
        return true;
    if (n->param != NULL && end > at) {
        push_param(s, at, end - at);
        if (search(s, n->param, end + 1))
            return true;
        s->match->n_params--;
    }
    if (n->rest == NULL || !choose(s, n->rest))
        return false;
    push_param(s, at, s->len - at);
    return true;
}

void
vetch__router_find(const struct vetch__router *r, uint8_t method,
                   const char *path, size_t len, char separator,
                   struct vetch__match *ret)
{
    struct search s = { path, len, separator, method, ret };

    ret->route = NULL;
    ret->allowed = 0;
    ret->n_params = 0;
    if (r->root == NULL)
        return;
    if (len > 0 && path[0] == separator) {
        search(&s, r->root, 1);
    } else if (r->root->rest != NULL && choose(&s, r->root->rest)) {
        push_param(&s, 0, len);
    }
}

/* The methods of all routes. */
static uint64_t
methods_of(const struct vetch__route *routes)
{
    uint64_t methods = 0;

    for (; routes != NULL; routes = routes->next) {
        if (routes->method == VETCH__ROUTE_ANY_METHOD)
            return (UINT64_C(1) << VETCH__HTTP_METHODS) - 1;
        methods |= UINT64_C(1) << routes->method;
        if (routes->method == VETCH__HTTP_GET)
            methods |= UINT64_C(1) << VETCH__HTTP_HEAD;
    }
    return methods;
}

/* As deep as the longest pattern. */
static uint64_t
methods_below(const struct vetch__route_node *n)
{
    uint64_t methods = methods_of(n->routes) | methods_of(n->rest);
    size_t i;

    for (i = 0; i < n->n_children; i++)
        methods |= methods_below(n->children[i]);
    if (n->param != NULL)
        methods |= methods_below(n->param);
    return methods;
}

uint64_t
vetch__router_methods(const struct vetch__router *r)
{
    return (r->root != NULL ? methods_below(r->root) : 0) |
           UINT64_C(1) << VETCH__HTTP_OPTIONS;
}

int
vetch__route_param(const struct vetch__route *route, const char *name)
{
    const char *known = route->names;
    int i;

    for (i = 0; i < route->n_params; i++) {
        if (strcmp(known, name) == 0)
            return i;
        known += strlen(known) + 1;
    }
    return -1;
}

/* ---- freeing ---- */

static void
free_routes(struct vetch__route *route)
{
    while (route != NULL) {
        struct vetch__route *next = route->next;

        route_free(route);
        route = next;
    }
}

/* As deep as the longest pattern. */
static void
free_node(struct vetch__route_node *n)
{
    size_t i;

    if (n == NULL)
        return;
    for (i = 0; i < n->n_children; i++)
        free_node(n->children[i]);
    free_node(n->param);
    free_routes(n->routes);
    free_routes(n->rest);
    vetch__free(n->children);
    vetch__free(n);
}

void
vetch__router_done(struct vetch__router *r)
{
    free_node(r->root);
    r->root = NULL;
}
