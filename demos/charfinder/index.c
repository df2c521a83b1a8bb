/* An index is one block of bytes, the same in memory and in its file:
 *
 *     header | words, sorted | ranges of code points | the words' text
 *
 * A word points to its text and to its ranges. What comes from a file has to
 * prove all that a search relies on, before it is used: the header says what it
 * is, the checksum that it is whole, and a walk over it that every word and
 * every range is where it belongs. Numbers are this machine's own; the magic
 * one reads wrong on another.
 *
 * ICU tells the names in ascending order, so sets grow at their ends while the
 * index is built. The ideographs' names end in their code points, which as
 * words would find one character each: they are left out. */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>

#include "text.h"

#define MAGIC  0x63686172696478ffu
#define FORMAT 1

struct header {
    uint64_t magic;
    uint64_t checksum; /* of all that follows */
    uint64_t len;      /* of the whole */
    uint32_t format;
    uint8_t unicode[4];
    uint32_t n_words, n_ranges;
};

struct word {
    uint32_t text, text_len; /* in bytes, from the beginning of the text */
    uint32_t range, n_ranges;
};

struct char_index {
    const struct header *header; /* the block */
    const struct word *words;
    const struct code_range *ranges;
    const char *text;
    size_t text_len;
};

/* ---- the block ---- */

/* FNV-1a. */
static uint64_t
hash_bytes(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t
checksum_of(const struct header *block)
{
    size_t skipped = offsetof(struct header, len);

    return hash_bytes((const char *)block + skipped, block->len - skipped);
}

/* Takes `block`, in which the header is right. */
static struct char_index *
index_of_block(struct header *block)
{
    struct char_index *index = calloc(1, sizeof(*index));

    if (index == NULL) {
        free(block);
        return NULL;
    }
    index->header = block;
    index->words = (const struct word *)(block + 1);
    index->ranges = (const struct code_range *)(index->words + block->n_words);
    index->text = (const char *)(index->ranges + block->n_ranges);
    index->text_len = (size_t)((const char *)block + block->len - index->text);
    return index;
}

const void *
index_image(const struct char_index *index, size_t *ret_len)
{
    *ret_len = index->header->len;
    return index->header;
}

void
index_free(void *ptr)
{
    struct char_index *index = ptr;

    if (index == NULL)
        return;
    free((void *)index->header);
    free(index);
}

size_t
index_words(const struct char_index *index)
{
    return index->header->n_words;
}

/* ---- proving a foreign one ---- */

static bool
header_is_right(const struct header *h, size_t len)
{
    UVersionInfo unicode;

    u_getUnicodeVersion(unicode);
    return h->magic == MAGIC && h->format == FORMAT && h->len == len &&
           memcmp(h->unicode, unicode, sizeof(h->unicode)) == 0 &&
           sizeof(*h) + (uint64_t)h->n_words * sizeof(struct word) +
                   (uint64_t)h->n_ranges * sizeof(struct code_range) <=
               len &&
           h->checksum == checksum_of(h);
}

static int
compare_texts(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static bool
word_is_right(const struct char_index *index, size_t i)
{
    const struct word *w = &index->words[i], *before = w - 1;
    const struct code_range *r;

    if ((uint64_t)w->text + w->text_len > index->text_len ||
        (uint64_t)w->range + w->n_ranges > index->header->n_ranges)
        return false;
    if (i > 0 && compare_texts(index->text + before->text, before->text_len,
                               index->text + w->text, w->text_len) >= 0)
        return false;
    r = &index->ranges[w->range];
    for (uint32_t k = 0; k < w->n_ranges; k++)
        if (r[k].first > r[k].last || r[k].last > UCHAR_MAX_VALUE ||
            (k > 0 && r[k].first <= r[k - 1].last))
            return false;
    return true;
}

static bool
words_are_right(const struct char_index *index)
{
    for (size_t i = 0; i < index->header->n_words; i++)
        if (!word_is_right(index, i))
            return false;
    return true;
}

struct char_index *
index_load(const void *image, size_t len)
{
    struct char_index *index;
    struct header *block;

    errno = EINVAL;
    if (len < sizeof(*block))
        return NULL;
    block = malloc(len);
    if (block == NULL)
        return NULL;
    memcpy(block, image, len);
    if (!header_is_right(block, len)) {
        free(block);
        errno = EINVAL;
        return NULL;
    }
    index = index_of_block(block);
    if (index != NULL && !words_are_right(index)) {
        index_free(index);
        errno = EINVAL;
        return NULL;
    }
    return index;
}

/* ---- building one ---- */

struct entry {
    char word[WORD_SIZE];
    struct codes codes;
};

struct builder {
    struct entry *entries;
    size_t n_entries, room;
    uint32_t *slots; /* a hash table: number of the entry + 1, or 0 */
    size_t n_slots;  /* a power of two, at least twice n_entries */
    bool failed;
};

static uint32_t *
find_slot(const struct builder *b, const char *word)
{
    size_t i = hash_bytes(word, strlen(word)) & (b->n_slots - 1);

    while (b->slots[i] != 0 &&
           strcmp(b->entries[b->slots[i] - 1].word, word) != 0)
        i = (i + 1) & (b->n_slots - 1);
    return &b->slots[i];
}

static int
make_room(struct builder *b)
{
    size_t room = b->room > 0 ? 2 * b->room : 1024;
    struct entry *entries = realloc(b->entries, room * sizeof(*entries));
    uint32_t *slots = calloc(2 * room, sizeof(*slots));

    if (entries != NULL)
        b->entries = entries;
    if (entries == NULL || slots == NULL) {
        free(slots);
        return -1;
    }
    free(b->slots);
    b->slots = slots;
    b->n_slots = 2 * room;
    b->room = room;
    for (size_t i = 0; i < b->n_entries; i++)
        *find_slot(b, b->entries[i].word) = (uint32_t)i + 1;
    return 0;
}

static int
add_word(struct builder *b, const char *word, uint32_t code)
{
    uint32_t *slot;

    if (b->n_entries == b->room && make_room(b) < 0)
        return -1;
    slot = find_slot(b, word);
    if (*slot == 0) {
        struct entry *entry = &b->entries[b->n_entries];

        *entry = (struct entry){ 0 };
        memcpy(entry->word, word, strlen(word)); /* the rest is NUL */
        *slot = (uint32_t)++b->n_entries;
    }
    return codes_append(&b->entries[*slot - 1].codes, code);
}

/* Whether the last word of the name is the code point. */
static bool
is_cjk_ideograph(const char *name)
{
    static const char unified[] = "CJK UNIFIED IDEOGRAPH-",
                      compatibility[] = "CJK COMPATIBILITY IDEOGRAPH-";

    return strncmp(name, unified, sizeof(unified) - 1) == 0 ||
           strncmp(name, compatibility, sizeof(compatibility) - 1) == 0;
}

static int
add_name(struct builder *b, uint32_t code, const char *name)
{
    const char *at = name;
    size_t left = is_cjk_ideograph(name) ? 3 : SIZE_MAX;
    char word[WORD_SIZE];

    for (; left > 0 && next_word(&at, word); left--)
        if (add_word(b, word, code) < 0)
            return -1;
    return 0;
}

/* False ends the enumeration. */
static UBool
take_name(void *ctx, UChar32 code, UCharNameChoice choice, const char *name,
          int32_t len)
{
    struct builder *b = ctx;

    (void)choice;
    (void)len;
    b->failed = add_name(b, (uint32_t)code, name) < 0;
    return !b->failed;
}

static int
take_names(struct builder *b)
{
    UErrorCode error = U_ZERO_ERROR;

    u_enumCharNames(0, UCHAR_MAX_VALUE + 1, take_name, b, U_UNICODE_CHAR_NAME,
                    &error);
    if (U_FAILURE(error))
        errno = EIO; /* its data is not there */
    else if (b->failed)
        errno = ENOMEM;
    else
        return 0;
    return -1;
}

static int
compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->word,
                  ((const struct entry *)b)->word);
}

/* ---- making the block of it ---- */

static void
measure(const struct builder *b, struct header *h)
{
    h->len = sizeof(*h) + b->n_entries * sizeof(struct word);
    for (size_t i = 0; i < b->n_entries; i++) {
        h->n_ranges += (uint32_t)b->entries[i].codes.n_ranges;
        h->len += strlen(b->entries[i].word);
    }
    h->len += h->n_ranges * sizeof(struct code_range);
    h->n_words = (uint32_t)b->n_entries;
}

static void
fill(const struct builder *b, struct header *block)
{
    struct word *word = (struct word *)(block + 1);
    struct code_range *ranges = (struct code_range *)(word + block->n_words);
    char *text = (char *)(ranges + block->n_ranges);
    uint32_t text_len = 0, n_ranges = 0;

    for (size_t i = 0; i < b->n_entries; i++, word++) {
        const struct entry *entry = &b->entries[i];

        *word = (struct word){ .text = text_len,
                               .text_len = (uint32_t)strlen(entry->word),
                               .range = n_ranges,
                               .n_ranges = (uint32_t)entry->codes.n_ranges };
        memcpy(text + text_len, entry->word, word->text_len);
        memcpy(ranges + n_ranges, entry->codes.ranges,
               word->n_ranges * sizeof(*ranges));
        text_len += word->text_len;
        n_ranges += word->n_ranges;
    }
}

static struct char_index *
make_index(struct builder *b)
{
    struct header h = { .magic = MAGIC, .format = FORMAT }, *block;

    qsort(b->entries, b->n_entries, sizeof(*b->entries), compare_entries);
    u_getUnicodeVersion(h.unicode);
    measure(b, &h);
    block = malloc(h.len);
    if (block == NULL)
        return NULL;
    *block = h;
    fill(b, block);
    block->checksum = checksum_of(block);
    return index_of_block(block);
}

static void
clear_builder(struct builder *b)
{
    for (size_t i = 0; i < b->n_entries; i++)
        codes_clear(&b->entries[i].codes);
    free(b->entries);
    free(b->slots);
}

struct char_index *
index_build(void)
{
    struct builder b = { 0 };
    struct char_index *index = NULL;
    int saved;

    if (take_names(&b) == 0)
        index = make_index(&b);
    saved = errno;
    clear_builder(&b);
    errno = saved;
    return index;
}

/* ---- searching ---- */

/* What a word stands for: a set that is borrowed from the index. */
static struct codes
codes_of_word(const struct char_index *index, const char *text)
{
    size_t low = 0, high = index->header->n_words, len = strlen(text);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct word *w = &index->words[middle];
        int order =
            compare_texts(text, len, index->text + w->text, w->text_len);

        if (order == 0)
            return (struct codes){
                .ranges = (struct code_range *)&index->ranges[w->range],
                .n_ranges = w->n_ranges,
            };
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return (struct codes){ 0 };
}

/* Keep of `found` what is in `word`, too; all of it the first time. */
static int
narrow(struct codes *found, const struct codes *word, bool first)
{
    struct codes both = { 0 };
    int result = codes_intersect(&both, first ? word : found, word);

    codes_clear(found);
    *found = both;
    return result;
}

int
index_search(const struct char_index *index, const char *query,
             struct codes *found)
{
    char text[WORD_SIZE];

    for (bool first = true; next_word(&query, text); first = false) {
        struct codes word = codes_of_word(index, text);

        if (narrow(found, &word, first) < 0)
            return -1;
    }
    return 0;
}
