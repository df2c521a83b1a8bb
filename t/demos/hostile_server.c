/* A server of flags that lies, breaks off and never stops talking, to try
 * downloaders on.  The country code says what is wrong: codes in the tables
 * below have an image or metadata of their own, every other is served well.
 * It is written on plain sockets and threads, so that it shares no mistake
 * with the library.
 *
 *     hostile_server          prints its base URL and serves until killed */

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define MEGABYTE 1048576

/* ---- sending; all of these return false once the peer is gone ---- */

static bool
send_bytes(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
send_text(int fd, const char *text)
{
    return send_bytes(fd, text, strlen(text));
}

/* A whole response with one send, as a good server has it. */
static bool
send_response(int fd, const char *status, const char *fields, const void *body,
              size_t len)
{
    char *response = malloc(len + 512);
    int head =
        snprintf(response, 512, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n",
                 status, fields, len);
    bool ok;

    memcpy(response + head, body, len);
    ok = send_bytes(fd, response, (size_t)head + len);
    free(response);
    return ok;
}

static bool
send_json(int fd, const char *json)
{
    return send_response(fd, "200 OK", "", json, strlen(json));
}

/* The peer sees a reset instead of an end. */
static void
reset(int fd)
{
    struct linger at_once = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* Waits until the peer hangs up. */
static void
wait_for_end(int fd)
{
    char sink[256];

    while (recv(fd, sink, sizeof(sink), 0) > 0)
        ;
}

/* One stream of gzip, `len` bytes of zeros or the given ones. */
static size_t
deflate_all(unsigned char *out, size_t room, const void *data, size_t len,
            unsigned repeat)
{
    z_stream z = { 0 };

    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    for (unsigned i = 0; i < repeat; i++) {
        z.next_in = (void *)(size_t)data;
        z.avail_in = (unsigned)len;
        deflate(&z, i + 1 < repeat ? Z_NO_FLUSH : Z_FINISH);
    }
    deflateEnd(&z);
    return room - z.avail_out;
}

/* ---- images ---- */

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void
endless(int fd, const char *head, const char *piece, size_t len)
{
    if (send_text(fd, head))
        while (send_bytes(fd, piece, len))
            ;
}

static void
image_of_10_gb(int fd)
{
    static char piece[65536];

    endless(fd, OK_HEAD "Content-Length: 10737418240\r\n\r\n", piece,
            sizeof(piece));
}

static void
image_without_end(int fd)
{
    static char piece[65536 + 12];

    memcpy(piece, "10000\r\n", 7);
    memcpy(piece + 7 + 65536, "\r\n", 2);
    endless(fd, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", piece, 65536 + 9);
}

static void
image_until_close(int fd)
{
    static char piece[65536];

    endless(fd, OK_HEAD "\r\n", piece, sizeof(piece));
}

static void
head_without_end(int fd)
{
    static const char field[] = "X-More: and more\r\n";

    endless(fd, OK_HEAD, field, sizeof(field) - 1);
}

static unsigned char bomb[MEGABYTE];
static size_t bomb_len;

static void
make_bomb(void)
{
    static char zeros[MEGABYTE];

    bomb_len = deflate_all(bomb, sizeof(bomb), zeros, sizeof(zeros), 64);
}

static void
image_that_explodes(int fd)
{
    send_response(fd, "200 OK", "Content-Encoding: gzip\r\n", bomb, bomb_len);
}

static void
reset_in_body(int fd)
{
    send_text(fd, OK_HEAD "Content-Length: 100\r\n\r\nGIF89a");
    reset(fd);
}

static void
reset_at_once(int fd)
{
    reset(fd);
}

static void
too_long_announced(int fd)
{
    send_text(fd, OK_HEAD "Content-Length: 100\r\n\r\nGIF89a");
    wait_for_end(fd);
}

/* The response to a request for an image, before hanging up. */
static const struct {
    const char *cc;
    const char *text;
    void (*act)(int fd);
} images[] = {
    { "HA", OK_HEAD "Content-Ty", NULL },
    { "HB", OK_HEAD "Content-Length: 100\r\n\r\nGIF89a", NULL },
    { "HC", NULL, reset_in_body },
    { "HD", NULL, too_long_announced },
    { "HE", OK_HEAD "Content-Length: many\r\n\r\nGIF89a", NULL },
    { "HF", OK_HEAD "Content-Length: 6\r\nContent-Length: 5\r\n\r\nGIF89a",
      NULL },
    { "HG",
      OK_HEAD "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
              "6\r\nGIF89a\r\n0\r\n\r\n",
      NULL },
    { "HH", NULL, image_of_10_gb },
    { "HI", NULL, image_without_end },
    { "HJ", NULL, head_without_end },
    { "HK", "I am no server of HTTP\r\n\r\n", NULL },
    { "HL", "", NULL },
    { "HM", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", NULL },
    { "HN", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n6\r\nGIF89a\r\n", NULL },
    { "HO", NULL, image_that_explodes },
    { "HP", OK_HEAD "Content-Length: -6\r\n\r\nGIF89a", NULL },
    { "HQ", NULL, image_until_close },
    { "HR", OK_HEAD "Transfer-Encoding: gzip\r\n\r\nGIF89a", NULL },
    { "HS", NULL, reset_at_once },
    { "HT", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", NULL },
    { "HU", "HTTP/1.1 999 Oops\r\nContent-Length: 0\r\n\r\n", NULL },
    { "HV", OK_HEAD "Content-Length: 99999999999999999999\r\n\r\nGIF89a",
      NULL },
};

/* ---- metadata ---- */

static const struct {
    const char *cc;
    const char *json;
} metadata[] = {
    { "MA", "{\"country\": \"../x\"}" },
    { "MB", "{\"country\": \"a/b\"}" },
    { "MC", "{\"country\": \"\"}" },
    { "MD", NULL }, /* a name of 1 MB */
    { "ME", "{\"country\": \"a\\u001b[2Jb\"}" },
    { "MF", "{\"country\": \"a\xff\xfe\"}" },
    { "MG", "{\"country\": " },
    { "MH", "{\"land\": \"Brazil\"}" },
    { "MI", "{\"country\": 7}" },
    { "MJ", "[\"country\", \"Brazil\"]" },
    { "MK", "{\"country\": \"a\\u0000b\"}" },
    { "ML", NULL }, /* brackets, 100,000 deep */
    { "MM", "{\"country\": \"a\xc2\x9b"
            "31mb\"}" },
    { "MN", "{\"country\": \".\"}" },
    { "MO", "{\"country\": \"/etc/passwd\"}" },
    { "MP", "{\"country\": \"..\\\\x\"}" },
    { "MQ", "" },
    { "MR", "{\"country\": \"C\xc3\xb4te d'Ivoire\"}" }, /* a good one */
    { "MS", "{\"country\": \"-rf\"}" },
    { "MT", "{\"country\": \"a\\nb\"}" },
};

static bool
send_long_name(int fd)
{
    size_t len = MEGABYTE;
    char *json = malloc(len + 32);
    int head = snprintf(json, 32, "{\"country\": \"");
    bool ok;

    memset(json + head, 'a', len);
    strcpy(json + (size_t)head + len, "\"}");
    ok = send_json(fd, json);
    free(json);
    return ok;
}

static bool
send_deep_json(int fd)
{
    static char brackets[100000];

    memset(brackets, '[', sizeof(brackets));
    return send_response(fd, "200 OK", "", brackets, sizeof(brackets));
}

/* As it comes, or packed for a client that can take it. */
static bool
send_good_metadata(int fd, const char *cc, bool packed)
{
    unsigned char gzip[256];
    char json[128];
    size_t len = (size_t)snprintf(json, sizeof(json),
                                  "{\"country\": \"Land of %s\", "
                                  "\"iso_cc\": \"%s\"}\n",
                                  cc, cc);

    if (!packed)
        return send_response(fd, "200 OK", "", json, len);
    len = deflate_all(gzip, sizeof(gzip), json, len, 1);
    return send_response(fd, "200 OK", "Content-Encoding: gzip\r\n", gzip, len);
}

/* ---- requests ---- */

/* Both return false if the connection is to be closed. */
static bool
send_image(int fd, const char *cc)
{
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        if (strcmp(images[i].cc, cc) != 0)
            continue;
        if (images[i].act != NULL)
            images[i].act(fd);
        else
            send_text(fd, images[i].text);
        return false;
    }
    return send_response(fd, "200 OK", "Content-Type: image/gif\r\n", "GIF89a",
                         6);
}

static bool
send_metadata(int fd, const char *cc, bool packed)
{
    if (strcmp(cc, "MD") == 0)
        return send_long_name(fd);
    if (strcmp(cc, "ML") == 0)
        return send_deep_json(fd);
    for (size_t i = 0; i < sizeof(metadata) / sizeof(metadata[0]); i++)
        if (strcmp(metadata[i].cc, cc) == 0)
            return send_json(fd, metadata[i].json);
    return send_good_metadata(fd, cc, packed);
}

static bool
respond(int fd, const char *head)
{
    char cc[3] = "", name[32] = "";

    if (sscanf(head, "GET /flags/%2[a-z]/%31[a-z.] HTTP/1.1", cc, name) != 2)
        return send_response(fd, "404 Not Found", "", "", 0);
    cc[0] = (char)toupper(cc[0]);
    cc[1] = (char)toupper(cc[1]);
    if (strcmp(name, "metadata.json") == 0)
        return send_metadata(fd, cc, strcasestr(head, "gzip") != NULL);
    return send_image(fd, cc);
}

/* Reads a head, up to the empty line; false at the end. */
static bool
read_head(int fd, char *head, size_t room)
{
    size_t len = 0;

    while (len < room - 1) {
        if (recv(fd, head + len, 1, 0) != 1)
            return false;
        head[++len] = '\0';
        if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static void *
serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char head[8192];

    while (read_head(fd, head, sizeof(head)) && respond(fd, head))
        ;
    close(fd);
    return NULL;
}

int
main(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    signal(SIGPIPE, SIG_IGN);
    make_bomb();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 ||
        listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
        perror("hostile_server");
        return EXIT_FAILURE;
    }
    printf("http://127.0.0.1:%u/flags\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
}
