/* A scanner of heads, not a parser: it passes on what it does not understand,
 * as somebody who wants to test programs would like it, and looks for the end
 * of the message alone. */
#include "message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a line's field, cut to what fits, if it is that field. */
static bool
field_value(const char *line, size_t len, const char *name, char value[64])
{
    size_t n = strlen(name);

    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    line += n + 1;
    len -= n + 1;
    if (len > 63)
        len = 63;
    memcpy(value, line, len);
    value[len] = '\0';
    return true;
}

static void
read_field(struct message *m, const char *line, size_t len)
{
    char value[64];

    if (field_value(line, len, "Content-Length", value)) {
        m->has_length = true;
        m->length = strtoull(value, NULL, 10);
    } else if (field_value(line, len, "Transfer-Encoding", value)) {
        m->chunked = strcasestr(value, "chunked") != NULL;
    } else if (field_value(line, len, "Connection", value)) {
        if (strcasestr(value, "close") != NULL)
            m->persistent = false;
        else if (strcasestr(value, "keep-alive") != NULL)
            m->persistent = true;
    }
}

/* "GET / HTTP/1.1" or "HTTP/1.1 200 OK" */
static bool
read_first_line(struct message *m, const char *line, size_t len)
{
    const char *version = memmem(line, len, "HTTP/1.", 7);

    if (version == NULL || version + 7 >= line + len)
        return false;
    m->persistent = version[7] != '0';
    m->is_head = len > 5 && memcmp(line, "HEAD ", 5) == 0;
    if (version == line && len > 12)
        m->status = (unsigned)strtoul(line + 9, NULL, 10);
    return version != line || (m->status >= 100 && m->status <= 999);
}

bool
read_message(struct message *m, const char *head, size_t len)
{
    const char *end = head + len, *eol = memmem(head, len, "\r\n", 2);

    *m = (struct message){ 0 };
    if (eol == NULL || !read_first_line(m, head, (size_t)(eol - head)))
        return false;
    for (head = eol + 2; head < end; head = eol + 2) {
        eol = memmem(head, (size_t)(end - head), "\r\n", 2);
        if (eol == NULL)
            return false;
        read_field(m, head, (size_t)(eol - head));
    }
    return true;
}

bool
response_has_no_body(const struct message *response,
                     const struct message *request)
{
    return request->is_head || response->status < 200 ||
           response->status == 204 || response->status == 304;
}
