/* The character finder over TCP, as chains of promises. */
#include <errno.h>

#include "serving.h"
#include "session.h"

/* The session is over: a value ends the repetition. */
static vetch_promise *
over(struct session *session)
{
    return vetch_resolved(session, NULL);
}

static vetch_promise *
send_rows(void *ctx)
{
    struct session *session = ctx;
    char rows[PIECE_SIZE];
    size_t len = take_rows(session, rows);

    if (len == 0)
        return over(session);
    return vetch_stream_send(session->client, rows, len);
}

static vetch_promise *
send_status(void *value, void *ctx)
{
    struct session *session = ctx;

    (void)value;
    write_status(session);
    return vetch_stream_drain(session->client);
}

static vetch_promise *
has_sent(void *value, void *ctx)
{
    (void)value;
    note_sent(ctx);
    return NULL;
}

static vetch_promise *
respond(void *line, void *ctx)
{
    struct session *session = ctx;
    vetch_promise *p;

    if (!take_line(session, line))
        return over(session);
    if (session->query.len == 0)
        return NULL;
    if (search_line(session) < 0)
        return vetch_rejected(vetch_error_from_errno(errno, "search"));
    p = vetch_repeat(send_rows, session);
    p = vetch_then(p, send_status, session);
    return vetch_then(p, has_sent, session);
}

static vetch_promise *
ask(void *ctx)
{
    struct session *session = ctx;

    vetch_stream_printf(session->client, PROMPT); /* a later drain tells */
    return vetch_then(vetch_stream_read_line(session->client, QUERY_SIZE - 1),
                      respond, session);
}

static vetch_promise *
converse(vetch_stream *client, void *index)
{
    struct session *session = begin_session(client, index);

    if (session == NULL)
        return vetch_rejected(NULL);
    return vetch_finally(vetch_repeat(ask, session), end_session, session);
}

int
main(int argc, char **argv)
{
    return serve_characters(argc, argv, converse, false);
}
