/* Bodies: counted, chunked, or to the end of the connection. Chunk lines and
 * trailers are read from the raw bytes, byte by byte for the former, whole
 * lines for the latter; content is handed out where it lies. Trailer fields
 * are checked and dropped: nobody may take them for header fields.
 *
 * States of the chunk decoder: SIZE, those of extensions, SIZE_LF, (DATA,
 * DATA_CR, DATA_LF, SIZE)…, and after the chunk of size zero TRAILER, END.
 * Extensions (RFC 9112, section 7.1.1) go
 *
 *   SIZE -> BEFORE -;-> NAME_START -> NAME -=-> VALUE_START -> VALUE
 *             ^                        |                |        |
 *             |                        v                +-"-> QUOTED, ESCAPE
 *             |                     AFTER_NAME                   |
 *             +-------------------------------------------- UNQUOTED
 *
 * and end at the CR of any state in which a size, a name or a value is whole.
 * Blanks before it are an error of a client's, while many servers send them. */

#include "http/message/parser-private.h"

#include <string.h>

#include "http/message/scan-private.h"

#define SIZE_DIGITS           16
#define EXTENSION_BYTES       256u
#define EXTENSIONS_BYTES      ((uint64_t)16 * 1024)
#define OVERHEAD_BYTES        ((uint64_t)16 * 1024)
#define OVERHEAD_PER_PAYLOAD  8u
#define TRAILER_SECTION_BYTES 4096u
#define TRAILER_FIELDS        16u

enum state {
    SIZE,
    BEFORE,     /* blanks before `;` */
    NAME_START, /* of an extension */
    NAME,
    AFTER_NAME, /* blanks before `=` or `;` */
    VALUE_START,
    VALUE,
    QUOTED,
    UNQUOTED, /* right behind the quote that ends it */
    ESCAPE,   /* behind a backslash in a quoted string */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    END
};

static enum vetch__http_verdict
refuse_body(struct vetch__http_body *b, unsigned status, const char *why)
{
    b->refusal.status = (uint16_t)status;
    b->refusal.why = why;
    return VETCH__HTTP_REFUSED;
}

void
vetch__http_body_init(struct vetch__http_body *b,
                      const struct vetch__http_head *h)
{
    memset(b, 0, sizeof(*b));
    b->framing = h->framing;
    b->response = h->response;
    if (h->framing == VETCH__HTTP_LENGTH)
        b->left = h->content_length;
}

bool
vetch__http_body_eof(const struct vetch__http_body *b)
{
    switch (b->framing) {
    case VETCH__HTTP_LENGTH:
        return b->left == 0;
    case VETCH__HTTP_CHUNKED:
        return b->state == END;
    default:
        return true;
    }
}

/* Hand out at most b->left bytes of content. */
static enum vetch__http_verdict
take_content(struct vetch__http_body *b, const char *data, size_t len,
             struct vetch__http_piece *ret)
{
    if (len > b->left)
        len = (size_t)b->left;
    if (len == 0)
        return VETCH__HTTP_MORE;
    b->left -= len;
    b->payload += len;
    ret->data = data;
    ret->len = len;
    ret->used += len;
    return VETCH__HTTP_PIECE;
}

/* ---- chunk lines ---- */

static const char *
size_byte(struct vetch__http_body *b, char c)
{
    int digit = vetch__http_hex(c);

    if (digit >= 0) {
        if (b->digits++ == SIZE_DIGITS)
            return "chunk size too long";
        b->left = b->left << 4 | (uint64_t)digit;
        return NULL;
    }
    if (b->digits == 0)
        return "chunk without size";
    b->extension = 0;
    if (c == ';')
        b->state = NAME_START;
    else if (c == '\r')
        b->state = SIZE_LF;
    else if (vetch__is_blank(c))
        b->state = BEFORE;
    else
        return "malformed chunk size";
    return NULL;
}

/* What follows a name or a value, or blanks behind it. False: nothing that
 * may. */
static bool
end_extension(struct vetch__http_body *b, char c, enum state on_blank)
{
    if (c == ';')
        b->state = NAME_START;
    else if (c == '\r')
        b->state = SIZE_LF;
    else if (vetch__is_blank(c))
        b->state = (uint8_t)on_blank;
    else
        return false;
    return true;
}

/* Only blanks stand before this byte. */
static bool
end_blanks(struct vetch__http_body *b, char c, enum state blanks)
{
    return (c != '\r' || b->response) && end_extension(b, c, blanks);
}

/* A byte of a token, or of the blanks before it. */
static bool
begin_token(struct vetch__http_body *b, char c, enum state token)
{
    if (vetch__is_blank(c))
        return true;
    b->state = (uint8_t)token;
    return vetch__http_is_token(&c, 1);
}

static bool
quoted_byte(struct vetch__http_body *b, char c)
{
    if ((unsigned char)c < 0x20 && c != '\t')
        return false;
    if (b->state == ESCAPE)
        b->state = QUOTED;
    else if (c == '\\')
        b->state = ESCAPE;
    else if (c == '"')
        b->state = UNQUOTED;
    return c != 0x7f;
}

static bool
extension_goes_on(struct vetch__http_body *b, char c)
{
    switch ((enum state)b->state) {
    case BEFORE:
        return end_blanks(b, c, BEFORE);
    case NAME_START:
        return begin_token(b, c, NAME);
    case NAME:
    case AFTER_NAME:
        if (c == '=')
            b->state = VALUE_START;
        else if (b->state == AFTER_NAME)
            return end_blanks(b, c, AFTER_NAME);
        else
            return vetch__http_is_token(&c, 1) ||
                   end_extension(b, c, AFTER_NAME);
        return true;
    case VALUE_START:
        if (c != '"')
            return begin_token(b, c, VALUE);
        b->state = QUOTED;
        return true;
    case VALUE:
        return vetch__http_is_token(&c, 1) || end_extension(b, c, BEFORE);
    case UNQUOTED:
        return end_extension(b, c, BEFORE);
    default:
        return quoted_byte(b, c);
    }
}

static const char *
extension_byte(struct vetch__http_body *b, char c)
{
    if (c != '\r' && (++b->extension > EXTENSION_BYTES ||
                      ++b->extensions > EXTENSIONS_BYTES))
        return "chunk extensions too long";
    return extension_goes_on(b, c) ? NULL : "malformed chunk extension";
}

/* The end of a chunk line. */
static const char *
end_size(struct vetch__http_body *b, char c)
{
    if (c != '\n')
        return "bare CR in a chunk line";
    b->state = b->left == 0 ? TRAILER : DATA;
    b->digits = 0;
    if (b->overhead > OVERHEAD_BYTES &&
        (b->overhead - OVERHEAD_BYTES) / OVERHEAD_PER_PAYLOAD > b->payload)
        return "chunks too small";
    return NULL;
}

static const char *
end_data(struct vetch__http_body *b, char c)
{
    if (c != (b->state == DATA_CR ? '\r' : '\n'))
        return "chunk not ended by CRLF";
    b->state = b->state == DATA_CR ? DATA_LF : SIZE;
    return NULL;
}

static const char *
framing_byte(struct vetch__http_body *b, char c)
{
    b->overhead++;
    switch ((enum state)b->state) {
    case SIZE:
        return size_byte(b, c);
    case SIZE_LF:
        return end_size(b, c);
    case DATA_CR:
    case DATA_LF:
        return end_data(b, c);
    default:
        return extension_byte(b, c);
    }
}

/* ---- trailers ---- */

static const char *
judge_trailer(const struct vetch__http_body *b, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon == NULL ? 0 : (size_t)(colon - line);

    if (b->response && b->trailers > 0 && vetch__is_blank(line[0]))
        return NULL; /* the one before it is folded */
    if (!vetch__http_is_token(line, name))
        return "malformed trailer";
    if (b->response ? vetch__http_is_framing_field(line, name)
                    : vetch__http_is_forbidden_trailer(line, name))
        return "forbidden trailer";
    return NULL;
}

/* The length of the first line with its CRLF; MORE if it is not whole. */
static enum vetch__http_verdict
trailer_line(struct vetch__http_body *b, const char *data, size_t len,
             size_t *ret_len)
{
    size_t i = b->scanned;

    do {
        i = vetch__scan_control(data, i, len);
        b->scanned = (uint32_t)i;
        if (b->trailer_bytes + i + 2 > TRAILER_SECTION_BYTES)
            return refuse_body(b, 431, "trailers too large");
    } while (i < len && data[i] == '\t' && ++i > 0);
    if (i == len || (data[i] == '\r' && i + 1 == len))
        return VETCH__HTTP_MORE;
    if (data[i] != '\r' || data[i + 1] != '\n')
        return refuse_body(b, 400, "control byte in a trailer");
    b->scanned = 0;
    *ret_len = i + 2;
    return VETCH__HTTP_DONE;
}

static enum vetch__http_verdict
take_trailers(struct vetch__http_body *b, const char *data, size_t len,
              struct vetch__http_piece *ret)
{
    for (;;) {
        const char *why;
        size_t line = 0;
        enum vetch__http_verdict verdict =
            trailer_line(b, data + ret->used, len - ret->used, &line);

        if (verdict != VETCH__HTTP_DONE)
            return verdict;
        if (line > 2) {
            why = judge_trailer(b, data + ret->used, line - 2);
            if (why != NULL)
                return refuse_body(b, 400, why);
            if (++b->trailers > TRAILER_FIELDS)
                return refuse_body(b, 431, "too many trailers");
        }
        b->trailer_bytes = (uint16_t)(b->trailer_bytes + line);
        ret->used += line;
        if (line == 2) {
            b->state = END;
            return VETCH__HTTP_DONE;
        }
    }
}

static enum vetch__http_verdict
take_chunked(struct vetch__http_body *b, const char *data, size_t len,
             struct vetch__http_piece *ret)
{
    while (b->state != TRAILER && b->state != END && ret->used < len) {
        const char *why;

        if (b->state == DATA) {
            take_content(b, data + ret->used, len - ret->used, ret);
            if (b->left == 0)
                b->state = DATA_CR;
            return VETCH__HTTP_PIECE;
        }
        why = framing_byte(b, data[ret->used]);
        if (why != NULL)
            return refuse_body(b, 400, why);
        ret->used++;
    }
    if (b->state == TRAILER)
        return take_trailers(b, data, len, ret);
    return b->state == END ? VETCH__HTTP_DONE : VETCH__HTTP_MORE;
}

enum vetch__http_verdict
vetch__http_body_next(struct vetch__http_body *b, const char *data, size_t len,
                      struct vetch__http_piece *ret)
{
    *ret = (struct vetch__http_piece){ 0, NULL, 0 };
    /* A byte that was refused has left its marks on the state. */
    if (b->refusal.why != NULL)
        return VETCH__HTTP_REFUSED;
    switch (b->framing) {
    case VETCH__HTTP_LENGTH:
        if (b->left == 0)
            return VETCH__HTTP_DONE;
        return take_content(b, data, len, ret);
    case VETCH__HTTP_CHUNKED:
        return take_chunked(b, data, len, ret);
    case VETCH__HTTP_TO_CLOSE:
        b->left = UINT64_MAX;
        return take_content(b, data, len, ret);
    default:
        return VETCH__HTTP_DONE;
    }
}
