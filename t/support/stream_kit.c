/* Pairs of streams of every kind. */
#include "support/stream_kit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/pipe-private.h"
#include "support/http_stream_kit.h"
#include "support/tls_kit.h"

vetch_stream *sk_a, *sk_b;

/* ---- over transports ---- */

static void
open_memory(const vetch_stream_options *options)
{
    vetch_transport *t[2];

    ck_assert_int_eq(vetch_transport_pair(t), 0);
    sk_a = vetch_stream_over(t[0], options);
    sk_b = vetch_stream_over(t[1], options);
    vetch_transport_unref(t[0]);
    vetch_transport_unref(t[1]);
}

static vetch_stream *
stream_over_socket(int fd, const struct sockaddr *peer, socklen_t len,
                   const vetch_stream_options *options)
{
    vetch_transport *t =
        vetch__socket_transport_new(vetch_reactor_current(), fd, peer, len);
    vetch_stream *s = vetch_stream_over(t, options);

    vetch_transport_unref(t);
    return s;
}

static void
open_tcp(const vetch_stream_options *options)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    struct sockaddr *any = (struct sockaddr *)&at;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), b;

    ck_assert_int_eq(bind(l, any, len), 0);
    ck_assert_int_eq(listen(l, 1), 0);
    ck_assert_int_eq(getsockname(l, any, &len), 0);
    (void)connect(a, any, len); /* it is under way */
    b = accept4(l, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(b, 0);
    close(l);
    sk_a = stream_over_socket(a, any, len, options);
    sk_b = stream_over_socket(b, any, len, options);
}

static void
open_unix(const vetch_stream_options *options)
{
    struct sockaddr nobody = { .sa_family = AF_UNIX };
    int fd[2];

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd),
        0);
    sk_a = stream_over_socket(fd[0], &nobody, sizeof(nobody), options);
    sk_b = stream_over_socket(fd[1], &nobody, sizeof(nobody), options);
}

/* ---- of a class: what one end writes, the other's read gets ---- */

struct own_end {
    struct own_end *peer; /* NULL once it is gone */
    vetch_deferred *reader;
    vetch_deferred *writer; /* waits until its bytes were taken */
    vetch_bytes *bytes;     /* those, and how many have gone */
    size_t taken, max_bytes;
    bool ended, reset; /* no more comes from the peer */
};

static void
hand_over(struct own_end *from, struct own_end *to)
{
    vetch_deferred *reader = to->reader, *writer = from->writer;
    const char *data;
    size_t len;

    if (reader == NULL || writer == NULL)
        return;
    data = vetch_bytes_data(from->bytes);
    len = vetch_bytes_len(from->bytes) - from->taken;
    len = len < to->max_bytes ? len : to->max_bytes;
    to->reader = NULL;
    vetch_deferred_resolve(reader, vetch_bytes_new(data + from->taken, len),
                           vetch_unref);
    vetch_deferred_unref(reader);
    from->taken += len;
    if (from->taken < vetch_bytes_len(from->bytes))
        return;
    from->writer = NULL;
    from->bytes = vetch_bytes_unref(from->bytes);
    vetch_deferred_resolve(writer, NULL, NULL);
    vetch_deferred_unref(writer);
}

static void
refuse_reader(struct own_end *e)
{
    vetch_deferred *reader = e->reader;

    e->reader = NULL;
    if (reader == NULL)
        return;
    if (e->reset)
        vetch_deferred_reject(reader,
                              vetch_error_from_errno(ECONNRESET, "own"));
    else
        vetch_deferred_resolve(reader, NULL, NULL);
    vetch_deferred_unref(reader);
}

static void
cancel_own_read(vetch_deferred *d, void *ctx)
{
    struct own_end *e = ctx;

    e->reader = NULL;
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static vetch_promise *
own_read(void *self, size_t max_bytes)
{
    struct own_end *e = self;
    vetch_promise *p;

    ck_assert_uint_gt(max_bytes, 0);
    ck_assert_ptr_null(e->reader); /* one at a time */
    e->reader = vetch_deferred_new(cancel_own_read, e);
    if (e->reader == NULL)
        return vetch_rejected(NULL);
    p = vetch_deferred_promise(e->reader);
    e->max_bytes = max_bytes;
    if (e->peer != NULL)
        hand_over(e->peer, e);
    if (e->ended || e->reset)
        refuse_reader(e);
    return p;
}

static void
forget_write(struct own_end *e)
{
    vetch_bytes_unref(e->bytes);
    e->bytes = NULL;
    e->writer = vetch_deferred_unref(e->writer);
}

static void
cancel_own_write(vetch_deferred *d, void *ctx)
{
    vetch_deferred_cancel(d);
    forget_write(ctx);
}

static vetch_promise *
own_write(void *self, vetch_bytes *bytes)
{
    struct own_end *e = self;
    vetch_promise *p;

    ck_assert_ptr_null(e->writer);
    if (e->peer == NULL)
        return vetch_rejected(vetch_error_from_errno(EPIPE, "own"));
    e->writer = vetch_deferred_new(cancel_own_write, e);
    if (e->writer == NULL)
        return vetch_rejected(NULL);
    p = vetch_deferred_promise(e->writer);
    e->bytes = vetch_bytes_ref(bytes);
    e->taken = 0;
    hand_over(e, e->peer);
    return p;
}

static void
end_for_peer(struct own_end *e, bool reset)
{
    if (e->peer == NULL)
        return;
    e->peer->ended = e->peer->ended || !reset;
    e->peer->reset = reset && !e->peer->ended;
    if (e->peer->ended || e->peer->reset)
        refuse_reader(e->peer);
}

static vetch_promise *
own_end(void *self)
{
    end_for_peer(self, false);
    return NULL;
}

static void
own_abort(void *self)
{
    end_for_peer(self, true);
}

static void
own_free(void *self)
{
    struct own_end *e = self;

    end_for_peer(e, true);
    if (e->peer != NULL) {
        vetch_deferred *writer = e->peer->writer;

        e->peer->peer = NULL;
        if (writer != NULL) {
            vetch_deferred_reject(writer, vetch_error_from_errno(EPIPE, "own"));
            forget_write(e->peer);
        }
    }
    free(e);
}

static const vetch_stream_class own_class = {
    .size = sizeof(own_class),
    .read = own_read,
    .write = own_write,
    .end = own_end,
    .abort = own_abort,
    .free = own_free,
};

static void
open_own(const vetch_stream_options *options)
{
    struct own_end *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

    ck_assert(a != NULL && b != NULL);
    a->peer = b;
    b->peer = a;
    sk_a = vetch_stream_new(&own_class, a, options);
    sk_b = vetch_stream_new(&own_class, b, options);
}

/* ---- compressed both ways, but as it is, so that sizes are what they are */

static vetch_stream *
compressed(vetch_stream *s)
{
    vetch_stream *out =
        vetch_stream_filter(s, VETCH_WRITABLE, vetch_gzip_new(0));
    vetch_stream *both =
        vetch_stream_filter(out, VETCH_READABLE, vetch_gunzip_new());

    vetch_stream_unref(out);
    vetch_stream_unref(s);
    return both;
}

static void
open_gzip(const vetch_stream_options *options)
{
    open_memory(options);
    sk_a = compressed(sk_a);
    sk_b = compressed(sk_b);
}

/* ---- two pipes, and two pipes that one end takes for stdio ---- */

static void
open_pipes(int a[2], int b[2])
{
    int there[2], back[2];

    ck_assert_int_eq(pipe2(there, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(back, O_CLOEXEC), 0);
    a[0] = back[0];
    a[1] = there[1];
    b[0] = there[0];
    b[1] = back[1];
}

static void
open_pipe(const vetch_stream_options *options)
{
    int a[2], b[2];

    open_pipes(a, b);
    sk_a = vetch_stream_from_fds(a[0], a[1], options);
    sk_b = vetch_stream_from_fds(b[0], b[1], options);
}

/* They stay open, as numbers 0 and 1 do. */
static int stdio_fds[8];
static size_t n_stdio_fds;

static void
close_stdio(void)
{
    while (n_stdio_fds > 0)
        close(stdio_fds[--n_stdio_fds]);
}

static void
open_stdio(const vetch_stream_options *options)
{
    int *a = stdio_fds + n_stdio_fds, b[2];
    vetch_transport *t;

    ck_assert_uint_lt(n_stdio_fds, VT_COUNT_OF(stdio_fds));
    open_pipes(a, b);
    n_stdio_fds += 2;
    for (int i = 0; i < 2; i++)
        fcntl(a[i], F_SETFD, 0); /* as if we had been executed with them */
    t = vetch__stdio_transport_new(vetch_reactor_current(), a[0], a[1]);
    sk_a = vetch_stream_over(t, options);
    vetch_transport_unref(t);
    sk_b = vetch_stream_from_fds(b[0], b[1], options);
}

/* ---- of HTTP ---- */

static void
open_tunnel(const vetch_stream_options *options)
{
    (void)options;
    hstk_open_tunnel(&sk_a, &sk_b);
}

static void
open_download(const vetch_stream_options *options)
{
    (void)options;
    hstk_open_download(&sk_a, &sk_b);
}

static void
open_upload(const vetch_stream_options *options)
{
    (void)options;
    hstk_open_upload(&sk_a, &sk_b);
}

/* ---- with TLS ---- */

#ifdef HAVE_OPENSSL
static void
open_tls(const vetch_stream_options *options)
{
    vetch_transport *t[2];

    tlk_pair(TK_MEMORY, t);
    ck_assert(t[0] != NULL && t[1] != NULL);
    sk_a = vetch_stream_over(t[0], options);
    sk_b = vetch_stream_over(t[1], options);
    vetch_transport_unref(t[0]);
    vetch_transport_unref(t[1]);
    vt_run_ready(); /* the server's ticket arrives */
}
#endif

/* ---- the kinds ---- */

static const struct {
    void (*open)(const vetch_stream_options *options);
    bool has_resets;
} kinds[SK_KINDS] = {
    { open_memory, true }, { open_tcp, true },    { open_unix, false },
    { open_own, true },    { open_gzip, true },   { open_pipe, false },
    { open_stdio, false }, { open_tunnel, true }, { open_download, true },
    { open_upload, true },
#ifdef HAVE_OPENSSL
    { open_tls, true },
#endif
};

void
sk_open_with(int kind, const vetch_stream_options *options)
{
    kinds[kind].open(options);
    ck_assert_ptr_nonnull(sk_a);
    ck_assert_ptr_nonnull(sk_b);
}

void
sk_open(int kind)
{
    sk_open_with(kind, NULL);
}

bool
sk_is_one_way(int kind)
{
    return kind == SK_DOWNLOAD || kind == SK_UPLOAD;
}

bool
sk_is_borrowed(int kind)
{
    return kind >= SK_TUNNEL;
}

bool
sk_has_resets(int kind)
{
    return kinds[kind].has_resets;
}

void
sk_end(vetch_stream *s)
{
    vetch_promise_unref(vetch_stream_end(s));
}

void
sk_close(void)
{
    sk_a = vetch_stream_unref(sk_a);
    sk_b = vetch_stream_unref(sk_b);
    hstk_close();
    if (vt_reactor != NULL)
        vt_run_ready();
    close_stdio();
}

/* ---- what is expected ---- */

vetch_bytes *
sk_value(vetch_promise *p)
{
    return vt_value(p);
}

void
sk_expect_text(vetch_promise *p, const char *text)
{
    vetch_bytes *bytes = sk_value(p);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_str_eq(vetch_bytes_data(bytes), text);
    ck_assert_uint_eq(vetch_bytes_len(bytes), strlen(text));
    vetch_bytes_unref(bytes);
}

void
sk_expect_end(vetch_promise *p)
{
    ck_assert_ptr_null(sk_value(p));
}

void
sk_expect_error(vetch_promise *p, int code)
{
    vt_expect_error(p, code);
}
