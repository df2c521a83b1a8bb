/* Making and loading the site.  Both happen before the loop runs, so the
 * calls may block; while it runs, responses come out of memory. */

#include "site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flags.h"

/* Where Debian's packages put their files. */
#define IMAGES "/usr/share/flags/countries/16x11"
#define CODES  "/usr/share/iso-codes/json/iso_3166-1.json"

#define MAX_FILE 1048576

static struct file *files;
static size_t n_files;

/* Says what cannot be done, and why. */
static int __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    const char *why = strerror(errno);
    va_list args;

    va_start(args, format);
    fputs("flagserver: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, ": %s\n", why);
    return -1;
}

/* Reads a whole file, to be freed; NULL and errno. */
static char *
read_file(int dir, const char *name, size_t *ret_len)
{
    struct stat st;
    char *data = NULL;
    size_t len = 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return NULL;
    errno = EINVAL; /* unless something says better */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_FILE)
        data = malloc((size_t)st.st_size + 1);
    while (data != NULL && len < (size_t)st.st_size) {
        ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* shorter by now: what there is will do */
        len += (size_t)n;
    }
    close(fd);
    *ret_len = len;
    return data;
}

/* Opens a directory, which is made if it is not there. */
static int
open_directory(int dir, const char *name)
{
    if (mkdirat(dir, name, 0777) < 0 && errno != EEXIST)
        return -1;
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- making ---- */

struct making {
    const char *dir; /* what the user calls it */
    int images;      /* the folder of the package */
    int site;        /* DIR/flags */
};

static int
save_metadata(int dir, const char *country, const char *cc)
{
    json_t *object = json_pack("{s:s, s:s}", "country", country, "iso_cc", cc);
    char *text = json_dumps(object, 0);
    int result = -1;

    errno = ENOMEM;
    if (text != NULL)
        result = save_file(dir, METADATA, text, strlen(text));
    free(text);
    json_decref(object);
    return result;
}

/* Writes the two files of one country. 1, 0 if there is no image, or -1. */
static int
make_flag(const struct making *m, const char *cc, const char *country)
{
    char lower[3], name[8];
    char *image;
    size_t len;
    int dir, result = 1;

    snprintf(lower, sizeof(lower), "%c%c", cc[0] | 0x20, cc[1] | 0x20);
    snprintf(name, sizeof(name), "%s.gif", lower);
    image = read_file(m->images, name, &len);
    if (image == NULL)
        return errno == ENOENT ? 0 : fail(IMAGES "/%s", name);
    dir = open_directory(m->site, lower);
    if (dir < 0 || save_file(dir, name, image, len) < 0 ||
        save_metadata(dir, country, cc) < 0)
        result = fail("%s/flags/%s", m->dir, lower);
    if (dir >= 0)
        close(dir);
    free(image);
    return result;
}

static bool
is_code(const char *cc)
{
    return cc != NULL && strlen(cc) == 2 && cc[0] >= 'A' && cc[0] <= 'Z' &&
           cc[1] >= 'A' && cc[1] <= 'Z';
}

static int
make_flags(const struct making *m, const json_t *countries)
{
    int count = 0;

    for (size_t i = 0; i < json_array_size(countries); i++) {
        json_t *entry = json_array_get(countries, i);
        const char *cc = json_string_value(json_object_get(entry, "alpha_2"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        int made;

        if (!is_code(cc) || name == NULL)
            continue;
        made = make_flag(m, cc, name);
        if (made < 0)
            return -1;
        count += made;
    }
    return count;
}

/* Opens DIR/flags for writing. */
static int
open_site(const char *dir)
{
    int top = open_directory(AT_FDCWD, dir);
    int site;

    if (top < 0)
        return fail("%s", dir);
    site = open_directory(top, "flags");
    if (site < 0)
        fail("%s/flags", dir);
    close(top);
    return site;
}

int
make_site(const char *dir)
{
    struct making m = { .dir = dir, .site = -1 };
    json_error_t where;
    json_t *codes = json_load_file(CODES, 0, &where);
    int count = -1;

    m.images = open(IMAGES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m.images < 0)
        fail(IMAGES " (package famfamfam-flag-gif)");
    else if (codes == NULL)
        fprintf(stderr, "flagserver: %s: %s (package iso-codes)\n", CODES,
                where.text);
    else
        m.site = open_site(dir);
    if (m.site >= 0) {
        count = make_flags(&m, json_object_get(codes, "3166-1"));
        close(m.site);
    }
    if (m.images >= 0)
        close(m.images);
    json_decref(codes);
    return count;
}

/* ---- loading ---- */

/* Adds one file to the list; what cannot be read is not there. */
static int
load_file(int dir, const char *folder, const char *name)
{
    struct file file, *grown;
    int len = snprintf(file.path, sizeof(file.path), "%s/%s", folder, name);

    if (len >= (int)sizeof(file.path))
        return 0;
    file.data = read_file(dir, name, &file.len);
    if (file.data == NULL)
        return 0;
    grown = reallocarray(files, n_files + 1, sizeof(*files));
    if (grown == NULL) {
        free(file.data);
        return -1;
    }
    files = grown;
    files[n_files++] = file;
    return 0;
}

/* Calls fn for each entry of a directory that is not hidden. */
static int
each_entry(int dir, const char *folder,
           int (*fn)(int dir, const char *folder, const char *name))
{
    DIR *entries = fdopendir(dir);
    struct dirent *entry;
    int result = 0;

    if (entries == NULL) {
        close(dir);
        return -1;
    }
    while (result == 0 && (entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.')
            result = fn(dirfd(entries), folder, entry->d_name);
    closedir(entries);
    return result;
}

static int
load_folder(int site, const char *unused, const char *name)
{
    int dir = openat(site, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    return dir >= 0 ? each_entry(dir, name, load_file) : 0;
}

static int
compare_files(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path,
                  ((const struct file *)b)->path);
}

int
load_site(const char *dir)
{
    int top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int site;

    if (top < 0)
        return fail("%s", dir);
    site = openat(top, "flags", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(top);
    if (site < 0 || each_entry(site, NULL, load_folder) < 0)
        return fail("%s/flags", dir);
    if (n_files > 0)
        qsort(files, n_files, sizeof(*files), compare_files);
    return 0;
}

void
unload_site(void)
{
    for (size_t i = 0; i < n_files; i++)
        free(files[i].data);
    free(files);
    files = NULL;
    n_files = 0;
}

const struct file *
find_file(const char *path)
{
    struct file key;
    size_t len = strlen(path);

    if (n_files == 0 || len >= sizeof(key.path))
        return NULL;
    memcpy(key.path, path, len + 1);
    return bsearch(&key, files, n_files, sizeof(*files), compare_files);
}
