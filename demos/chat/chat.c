/* A line chat: rooms, names, and nobody who waits for somebody else.
 *
 * Each client has a bounded queue of lines to be sent, which all who speak fill
 * and its own task empties. Beside the task, in a scope of the client's, a
 * chain reads and obeys; whichever of the two ends, ends the other. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <wchar.h>
#include <wctype.h>

#include <vetch.h>

enum { LINE_BYTES = 512, NAME_BYTES = 20, QUEUE_LINES = 64 };
#define PATIENCE_SECONDS 60.0 /* with one who takes nothing */

struct room {
    LIST_ENTRY(room) link;
    LIST_HEAD(, client) members;
    size_t n_members;
    char name[NAME_BYTES + 1];
};

struct client {
    LIST_ENTRY(client) link; /* in its room */
    struct chat *chat;
    struct room *room;
    vetch_stream *stream;
    vetch_queue *lines;
    size_t missed; /* lines for which there was no room */
    char name[NAME_BYTES + 1];
};

struct chat {
    LIST_HEAD(, room) rooms;
    unsigned guests; /* so far */
    bool stopping;
};

/* ---- speaking ---- */

/* Once a client has missed a line it misses all until it has caught up: so the
 * gap is one, and is told where it is. */
static void
post(struct client *c, vetch_bytes *line)
{
    if (c->missed == 0 && vetch_queue_try_put(c->lines, line, vetch_unref) == 0)
        vetch_bytes_ref(line);
    else
        c->missed++;
}

/* To everybody in the room but one: the same bytes, however many get them. */
static void __attribute__((format(printf, 3, 4)))
say(struct room *room, const struct client *not_to, const char *fmt, ...)
{
    char area[LINE_BYTES + 2 * NAME_BYTES];
    struct client *c;
    vetch_bytes *line;
    va_list args;

    va_start(args, fmt);
    line =
        vetch_bytes_new(area, (size_t)vsnprintf(area, sizeof(area), fmt, args));
    va_end(args);
    LIST_FOREACH(c, &room->members, link)
    if (c != not_to)
        post(c, line);
    vetch_bytes_unref(line);
}

/* ---- rooms ---- */

static struct room *
room_named(struct chat *chat, const char *name)
{
    struct room *room;

    LIST_FOREACH(room, &chat->rooms, link)
    if (strcasecmp(room->name, name) == 0)
        return room;
    room = calloc(1, sizeof(*room));
    if (room != NULL) {
        snprintf(room->name, sizeof(room->name), "%s", name);
        LIST_INSERT_HEAD(&chat->rooms, room, link);
    }
    return room;
}

static void
leave(struct client *c)
{
    LIST_REMOVE(c, link);
    say(c->room, c, "* %s has left\n", c->name);
    if (--c->room->n_members > 0)
        return;
    LIST_REMOVE(c->room, link);
    free(c->room);
}

static bool
join(struct client *c, const char *name)
{
    struct room *room = room_named(c->chat, name);
    size_t n_others;

    if (room == NULL)
        return false;
    if (room != c->room) {
        if (c->room != NULL)
            leave(c);
        c->room = room;
        room->n_members++;
        LIST_INSERT_HEAD(&room->members, c, link);
        say(room, c, "* %s has come\n", c->name);
    }
    n_others = room->n_members - 1;
    vetch_stream_printf(c->stream, "* you are %s, in %s with %zu other%s\n",
                        c->name, room->name, n_others,
                        n_others == 1 ? "" : "s");
    return true;
}

/* ---- commands ---- */

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_-"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool
is_name(struct client *c, const char *name)
{
    size_t len = strspn(name, name_bytes);

    if (len > 0 && len <= NAME_BYTES && name[len] == '\0')
        return true;
    vetch_stream_printf(c->stream, "* a name has 1 to %d of %s\n", NAME_BYTES,
                        "A-Z a-z 0-9 _ -");
    return false;
}

static bool
is_taken(const struct client *c, const char *name)
{
    const struct room *room;
    const struct client *other;

    LIST_FOREACH(room, &c->chat->rooms, link)
    LIST_FOREACH(other, &room->members, link)
    if (other != c && strcasecmp(other->name, name) == 0)
        return true;
    return strncasecmp(name, "guest", 5) == 0;
}

static void
do_nick(struct client *c, const char *name)
{
    if (!is_name(c, name))
        return;
    if (is_taken(c, name)) {
        vetch_stream_printf(c->stream, "* %s is taken\n", name);
        return;
    }
    say(c->room, c, "* %s is now %s\n", c->name, name);
    vetch_stream_printf(c->stream, "* you are %s now\n", name);
    snprintf(c->name, sizeof(c->name), "%s", name);
}

static void
do_join(struct client *c, const char *name)
{
    if (is_name(c, name) && !join(c, name))
        vetch_stream_printf(c->stream, "* no memory for another room\n");
}

static void
do_leave(struct client *c, const char *unused)
{
    (void)unused;
    do_join(c, "lobby");
}

static void
do_list(struct client *c, const char *unused)
{
    const struct room *room;

    (void)unused;
    LIST_FOREACH(room, &c->chat->rooms, link)
    vetch_stream_printf(c->stream, "* %s: %zu\n", room->name, room->n_members);
}

static void
do_who(struct client *c, const char *unused)
{
    const struct client *member;

    (void)unused;
    LIST_FOREACH(member, &c->room->members, link)
    vetch_stream_printf(c->stream, "* %s\n", member->name);
}

static void
do_help(struct client *c, const char *unused)
{
    (void)unused;
    vetch_stream_printf(c->stream,
                        "* /nick NAME  /join ROOM  /leave (to the lobby)\n"
                        "* /list (rooms)  /who (is here)  /help  /quit\n"
                        "* anything else is said to the room\n");
}

static const struct command {
    const char *name;
    void (*fn)(struct client *c, const char *argument);
} commands[] = {
    { "/nick", do_nick }, { "/join", do_join }, { "/leave", do_leave },
    { "/list", do_list }, { "/who", do_who },   { "/help", do_help },
};

static void
do_command(struct client *c, const char *text)
{
    size_t len = strcspn(text, " ");
    const char *argument = text + len + strspn(text + len, " ");

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strlen(commands[i].name) == len &&
            memcmp(commands[i].name, text, len) == 0) {
            commands[i].fn(c, argument);
            return;
        }
    vetch_stream_printf(c->stream, "* %.*s? try /help\n", (int)len, text);
}

/* ---- one client ---- */

/* Whether this is UTF-8 without control characters. */
static bool
is_text(const char *at, size_t len)
{
    mbstate_t state = { 0 };
    wchar_t character;

    while (len > 0) {
        size_t n = mbrtowc(&character, at, len, &state);

        if (n == 0 || n > len || (iswcntrl((wint_t)character) && *at != '\t'))
            return false;
        at += n;
        len -= n;
    }
    return true;
}

static vetch_promise *
wait_for_room(struct client *c)
{
    return vetch_timeout(vetch_stream_drain(c->stream), PATIENCE_SECONDS);
}

static vetch_promise *
obey(void *line, void *ctx)
{
    struct client *c = ctx;
    const char *text = line != NULL ? vetch_bytes_data(line) : "/quit";

    if (strcmp(text, "/quit") == 0)
        return vetch_resolved(c, NULL); /* a value ends the repetition */
    if (!is_text(text, line != NULL ? vetch_bytes_len(line) : 0)) {
        vetch_stream_printf(c->stream, "* that is no text\n");
    } else if (text[0] == '/') {
        do_command(c, text);
    } else if (text[0] != '\0') {
        say(c->room, c, "%s: %s\n", c->name, text);
    }
    return wait_for_room(c);
}

static vetch_promise *
read_and_obey(void *ctx)
{
    struct client *c = ctx;

    return vetch_then(vetch_stream_read_line(c->stream, LINE_BYTES), obey, c);
}

static vetch_promise *
complain(const vetch_error *error, void *ctx)
{
    struct client *c = ctx;

    if (vetch_error_is(error, VETCH_ETOOLARGE))
        vetch_stream_printf(c->stream, "* a line has at most %d bytes\n",
                            LINE_BYTES);
    return NULL; /* a stream that is broken says so to the writer, too */
}

/* No more lines: the writer sends those that are there, and ends. */
static void
hang_up(void *ctx)
{
    vetch_queue_close(((struct client *)ctx)->lines);
}

static vetch_error *
write_lines(struct client *c)
{
    vetch_error *error = NULL;
    vetch_bytes *line;

    while ((line = vetch_await(vetch_queue_get(c->lines), &error)) != NULL) {
        vetch_stream_write_bytes(c->stream, line);
        vetch_bytes_unref(line);
        vetch_await(wait_for_room(c), &error);
        if (error != NULL)
            break;
        if (c->missed > 0 && vetch_queue_count(c->lines) == 0) {
            vetch_stream_printf(c->stream, "* you have missed %zu lines\n",
                                c->missed);
            c->missed = 0;
        }
    }
    return error;
}

/* A task, so the client may live on its stack. */
static vetch_promise *
serve(vetch_stream *s, void *ctx)
{
    struct client me = { .chat = ctx, .stream = s };
    vetch_scope *reading = vetch_scope_new();
    vetch_error *error = NULL;

    me.lines = vetch_queue_new(QUEUE_LINES);
    snprintf(me.name, sizeof(me.name), "guest%u", ++me.chat->guests);
    if (me.lines != NULL && reading != NULL && join(&me, "lobby")) {
        vetch_promise *p = vetch_repeat(read_and_obey, &me);

        p = vetch_catch(p, complain, &me);
        vetch_scope_add(reading, vetch_finally(p, hang_up, &me));
        error = write_lines(&me);
        vetch_scope_cancel(reading);
        vetch_await(vetch_scope_end(reading), NULL);
        leave(&me);
        vetch_stream_printf(s, "* %s\n",
                            me.chat->stopping
                                ? "the server goes down: farewell to all"
                                : "goodbye");
    }
    vetch_scope_unref(reading);
    vetch_queue_unref(me.lines);
    return vetch_finish(error);
}

/* ---- the server ---- */

/* Everybody gets what waits for them, and a farewell. */
static void
say_farewell(struct chat *chat)
{
    struct room *room;
    struct client *c;

    chat->stopping = true;
    LIST_FOREACH(room, &chat->rooms, link)
    LIST_FOREACH(c, &room->members, link)
    hang_up(c);
}

static int
run_until_told(const char *endpoint)
{
    vetch_promise *signals[] = { vetch_signal(SIGINT), vetch_signal(SIGTERM) };
    vetch_promise *told = vetch_race(signals, 2);
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    struct chat chat = { .stopping = false };
    vetch_listener *listener;

    options.task = true;
    listener = vetch_stream_serve(endpoint, serve, &chat, &options);
    if (listener == NULL) {
        fprintf(stderr, "chat: %s: %s\n", endpoint, strerror(errno));
        vetch_promise_unref(told);
        return EXIT_FAILURE;
    }
    printf("listening on %s\n", vetch_listener_endpoint(listener));
    fflush(stdout);
    vetch_run(told, NULL);
    say_farewell(&chat);
    vetch_unref(vetch_run(vetch_listener_stop(listener, 5), NULL));
    vetch_listener_unref(listener);
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor = vetch_reactor_new();
    struct rlimit limit;
    int status;

    if (argc > 2 || reactor == NULL) {
        fprintf(stderr, "usage: chat [ENDPOINT]\n");
        return 2;
    }
    setlocale(LC_CTYPE, "C.UTF-8");
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    status = run_until_told(argc > 1 ? argv[1] : "tcp:127.0.0.1:7000");
    vetch_reactor_unref(reactor);
    return status;
}
