/* A directory for tests of files. */
#include "support/file_kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/file-private.h"

static char directory[100];

void
fk_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(directory, sizeof(directory), "%s/vetch-XXXXXX",
             base != NULL && strlen(base) < 80 ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void
await_file_jobs(void)
{
    vetch_executor *e;

    if (vt_reactor == NULL)
        return;
    vt_run_ready();
    e = vetch__file_executor(vt_reactor);
    ck_assert_ptr_nonnull(e);
    ck_assert_ptr_null(vetch_run(vetch_executor_close(e, INFINITY), NULL));
}

void
fk_drop(void)
{
    char command[120];

    await_file_jobs();
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    ck_assert_int_eq(system(command), 0);
}

const char *
fk_path(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

void
fk_put(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(fk_path(name), "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

void
fk_put_fifo(const char *name)
{
    ck_assert_int_eq(mkfifo(fk_path(name), 0600), 0);
}

void
fk_expect(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(fk_path(name), "re");
    char *found = malloc(len + 1);

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(fread(found, 1, len + 1, f), len);
    ck_assert_int_eq(memcmp(found, data, len), 0);
    free(found);
    fclose(f);
}

int
fk_count(void)
{
    DIR *d = opendir(directory);
    int n = -2; /* "." and ".." */

    ck_assert_ptr_nonnull(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

unsigned
fk_mode(const char *name)
{
    struct stat st;

    ck_assert_int_eq(stat(fk_path(name), &st), 0);
    return st.st_mode & 0777;
}
