/* Names and files.  Everything that decides where a file goes stands here:
 * names come from a server that nobody trusts, and files appear whole or not
 * at all, below one directory that was opened at the start. */

#include "flags.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In bytes; with "-CC.gif" still a legal file name everywhere. */
#define MAX_COUNTRY 200

/* ---- files ---- */

static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A temporary file of an earlier process with our number is stale: that
 * process is gone. */
static int
create_temporary(int dir, const char *name)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = openat(dir, name, flags, 0666);

    if (fd >= 0 || errno != EEXIST)
        return fd;
    unlinkat(dir, name, 0);
    return openat(dir, name, flags, 0666);
}

int
save_file(int dir, const char *name, const void *data, size_t len)
{
    static atomic_uint serial;
    char temporary[64];
    int fd, saved, failed;

    snprintf(temporary, sizeof(temporary), ".%ld-%u.part", (long)getpid(),
             atomic_fetch_add(&serial, 1));
    fd = create_temporary(dir, temporary);
    if (fd < 0)
        return -1;
    failed = write_all(fd, data, len);
    saved = errno;
    if (close(fd) < 0 && failed == 0) {
        failed = -1;
        saved = errno;
    }
    if (failed == 0 && renameat(dir, temporary, dir, name) == 0)
        return 0;
    if (failed == 0)
        saved = errno;
    unlinkat(dir, temporary, 0);
    errno = saved;
    return -1;
}

vetch_error *
save_image(struct flag *flag)
{
    if (save_file(flag->run->dest, flag->name, flag->bytes, flag->len) < 0)
        return vetch_error_from_errno(errno, "save %s", flag->name);
    flag->saved = true;
    return NULL;
}

void *
save_image_job(void *arg, vetch_error **ret_error)
{
    vetch_error *error = save_image(arg);

    if (error != NULL)
        *ret_error = error;
    return NULL;
}

/* ---- URLs ---- */

const char *
flag_url(struct flag *flag, const char *file)
{
    char cc[3] = { (char)tolower(flag->cc[0]), (char)tolower(flag->cc[1]) };

    /* Fits: the base leaves room for it. */
    snprintf(flag->url, sizeof(flag->url), "%.*s/%s/%s%s", URL_SIZE - 32,
             flag->run->base, cc, file[0] == '.' ? cc : "", file);
    return flag->url;
}

vetch_error *
check_status(const struct flag *flag, unsigned status)
{
    if (status == 200)
        return NULL;
    return vetch_error_new(VETCH_EHTTP + (int)status, "GET %s: HTTP status %u",
                           flag->url, status);
}

/* ---- names ---- */

void
name_by_code(struct flag *flag)
{
    snprintf(flag->name, sizeof(flag->name), "%s.gif", flag->cc);
}

/* What is wrong with a country's name as part of a file name, or NULL. It is
 * valid UTF-8 without NUL: the JSON library refuses all else. */
static const char *
name_fault(const char *name)
{
    const unsigned char *p = (const unsigned char *)name;

    if (*p == '\0')
        return "is empty";
    if (strlen(name) > MAX_COUNTRY)
        return "is too long";
    if (*p == '.' || *p == '-')
        return "begins with a dot or a dash";
    for (; *p != '\0'; p++) {
        /* U+0080 to U+009F are control characters, too. */
        if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
            return "has a control character";
        if (*p == '/' || *p == '\\')
            return "has a slash";
    }
    return NULL;
}

static vetch_error *
name_by_value(struct flag *flag, const json_t *country)
{
    const char *name = json_string_value(country);
    const char *fault;

    if (country == NULL)
        return vetch_error_new(VETCH_EUSER, "%s: no \"country\"", flag->url);
    if (name == NULL)
        return vetch_error_new(VETCH_EUSER, "%s: \"country\" is no string",
                               flag->url);
    fault = name_fault(name);
    if (fault != NULL)
        return vetch_error_new(VETCH_EUSER, "%s: the country's name %s",
                               flag->url, fault);
    snprintf(flag->name, sizeof(flag->name), "%s-%s.gif", name, flag->cc);
    for (char *p = flag->name; *p != '\0'; p++)
        if (*p == ' ')
            *p = '_';
    return NULL;
}

vetch_error *
name_by_country(struct flag *flag, const vetch_http_response *metadata)
{
    size_t len;
    const void *json = vetch_http_response_body(metadata, &len);
    json_error_t where;
    json_t *root = json_loadb(json, len, 0, &where);
    vetch_error *error;

    if (root == NULL)
        return vetch_error_new(VETCH_EUSER, "%s: invalid JSON: %s", flag->url,
                               where.text);
    error = name_by_value(flag, json_object_get(root, "country"));
    json_decref(root);
    return error;
}
