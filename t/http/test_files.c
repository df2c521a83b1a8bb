/* Files of a directory: what is served, and that nothing else can be. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/server/server-private.h"
#include "support/http_server_kit.h"

static char root[64]; /* holds `site` and, beside it, `secret` */

static void
path_of(char *to, size_t size, const char *name)
{
    snprintf(to, size, "%s/%s", root, name);
}

static void
write_file(const char *name, const char *text, size_t len)
{
    char path[200];
    FILE *f;

    path_of(path, sizeof(path), name);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    fclose(f);
}

static void
make_folder(const char *name)
{
    char path[200];

    path_of(path, sizeof(path), name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void
make_link(const char *to, const char *name)
{
    char path[200];

    path_of(path, sizeof(path), name);
    ck_assert_int_eq(symlink(to, path), 0);
}

static void
make_site(void)
{
    char path[200];

    snprintf(root, sizeof(root), "/tmp/vetch-files-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    make_folder("site");
    make_folder("site/sub");
    make_folder("site/.hidden");
    make_folder("secret");
    write_file("secret/passwd", "secret", 6);
    write_file("site/a.txt", "plain", 5);
    write_file("site/empty", "", 0);
    write_file("site/sub/b c.GIF", "gif", 3);
    write_file("site/.env", "secret", 6);
    write_file("site/.hidden/x", "secret", 6);
    write_file("site/a\\b", "back", 4);
    make_link("../secret/passwd", "site/link");
    make_link("a.txt", "site/inner");
    make_link("../secret", "site/sub/out");
    make_link("/etc", "site/etc");
    path_of(path, sizeof(path), "site/pipe");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void
drop_site(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

static void
start(void)
{
    char site[100];

    make_site();
    hsk_start(NULL);
    path_of(site, sizeof(site), "site");
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/f/", site), 0);
}

static void
end(void)
{
    hsk_end();
    drop_site();
}

static unsigned
get(struct hsk_client *t, const char *path)
{
    hsk_connect(t);
    hsk_get(t, path);
    return hsk_hear(t);
}

VT_CASE("files", vt_reactor_tcase);

VT_TEST(regular_files_are_served)
{
    struct hsk_client t;

    start();
    ck_assert_uint_eq(get(&t, "/f/a.txt"), 200);
    ck_assert(hsk_body_is(&t, "plain"));
    ck_assert_str_eq(hsk_field(&t, "Content-Type"),
                     "text/plain; charset=utf-8");
    ck_assert_uint_eq(strlen(hsk_field(&t, "Last-Modified")), 29);
    hsk_get(&t, "/f/sub/b%20c.GIF?x=y"); /* on the same connection */
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "gif"));
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "image/gif");
    hsk_get(&t, "/f/empty");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, ""));
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "application/octet-stream");
    hsk_say(&t, "HEAD /f/a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear_head(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Content-Length"), "5");
    hsk_say(&t, "POST /f/a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 405);
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    end();
}

/* aiohttp CVE-2024-23334, CVE-2024-42367, libevent 1904: whatever is not a
 * regular file below the directory looks as if it were not there. */
static void
check_traversal(void)
{
    static const char *const paths[] = {
        "/f/",
        "/f/nothing",
        "/f/sub",
        "/f/sub/",
        "/f/sub/nothing",
        "/f/a.txt/",
        "/f/a.txt/x",
        "/f/link",
        "/f/inner",
        "/f/sub/out/passwd",
        "/f/etc/passwd",
        "/f/.env",
        "/f/.hidden/x",
        "/f/%2eenv",
        "/f/pipe",
        "/f/../secret/passwd",
        "/f/sub/../../secret/passwd",
        "/f/%2e%2e/secret/passwd",
        "/f/..%2fsecret/passwd",
        "/f/%2e%2e%2fsecret%2fpasswd",
        "/f/..%5csecret%5cpasswd",
        "/f/..\\secret\\passwd",
        "/f//etc/passwd",
        "/f/%2fetc/passwd",
        "/f/./..//secret/passwd",
        "/f/%252e%252e/secret/passwd",
        "/f/sub/%2e%2e/%2e%2e/secret/passwd",
        "/f/a.txt%2f..%2f..%2fsecret",
        "/f/....//secret/passwd",
        "/f/..;/secret/passwd",
    };
    static const char *const malformed[] = {
        "/f/a.txt%00",
        "/f/%00",
        "/f/a%00.txt",
        "/../secret/passwd",
        "/f/../../secret/passwd",
        "/f/%2e%2e/%2e%2e/secret/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/f/%",
        "/f/%c",
    };
    struct hsk_client t;
    size_t i;

    start();
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ck_assert_msg(get(&t, paths[i]) == 404, "%s gave %u", paths[i],
                      t.status);
        ck_assert(hsk_body_is(&t, "404 Not Found\n"));
        hsk_hang_up(&t);
    }
    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        ck_assert_msg(get(&t, malformed[i]) == 400, "%s gave %u", malformed[i],
                      t.status);
        hsk_hang_up(&t);
    }
    ck_assert_uint_eq(get(&t, "/f/a%5cb"), 200); /* a name like others here */
    ck_assert(hsk_body_is(&t, "back"));
    hsk_hang_up(&t);
    end();
}

VT_TEST(cve_2024_23334_nothing_else_can_be_reached)
{
    check_traversal();
}

VT_TEST(nor_on_kernels_without_openat2)
{
    vetch__files_walk = true;
    check_traversal();
    vetch__files_walk = false;
}

VT_TEST(files_of_any_size_arrive)
{
    static const size_t sizes[] = { 1, 12287, 12288, 12289, 65536, 5000000 };
    struct hsk_client t;
    size_t i, j;

    start();
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *data = malloc(sizes[i]);

        for (j = 0; j < sizes[i]; j++)
            data[j] = (char)(j * 31 + j / 256);
        write_file("site/file", data, sizes[i]);
        ck_assert_uint_eq(get(&t, "/f/file"), 200);
        ck_assert_uint_eq(t.n_body, sizes[i]);
        ck_assert_mem_eq(t.body, data, sizes[i]);
        hsk_say(&t, "HEAD /f/file HTTP/1.1\r\nHost: a\r\n\r\n");
        ck_assert_uint_eq(hsk_hear_head(&t), 200);
        ck_assert(hsk_is_silent(&t));
        hsk_hang_up(&t);
        free(data);
    }
    end();
}

/* Its bytes, as a string. */
static char *
get_text(const char *path)
{
    struct hsk_client t;
    char *text;

    ck_assert_msg(get(&t, path) == 200, "%s gave %u", path, t.status);
    text = malloc(t.n_body + 1);
    memcpy(text, t.body, t.n_body);
    text[t.n_body] = '\0';
    hsk_hang_up(&t);
    return text;
}

/* mongoose 2527, go 10699, send 311: stat says 0 of files in /proc, and a page
 * of files in /sys. */
VT_TEST(files_that_do_not_know_their_size_arrive)
{
    static const char sys[] = "/sys/devices/system/cpu";
    char *text;

    hsk_start(NULL);
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/p/", "/proc/self"),
                     0);
    text = get_text("/p/status");
    ck_assert(strncmp(text, "Name:", 5) == 0);
    free(text);
    text = get_text("/p/smaps"); /* more than is read at once */
    ck_assert_uint_gt(strlen(text), 12288);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    free(text);
    if (access("/sys/devices/system/cpu/possible", R_OK) == 0) {
        ck_assert_int_eq(vetch_http_server_files(hsk_server, "/s/", sys), 0);
        text = get_text("/s/possible");
        ck_assert_uint_gt(strlen(text), 0);
        free(text);
    }
    hsk_end();
}

/* Many requests for large files at once must not open them all. */
VT_TEST(pipelined_files_hold_few_descriptors)
{
    size_t len = 1000000;
    char *data = calloc(1, len);
    struct hsk_client t;
    unsigned before;
    int i;

    start();
    write_file("site/file", data, len);
    hsk_connect(&t);
    before = vt_open_fds();
    for (i = 0; i < 100; i++)
        hsk_get(&t, "/f/file");
    ck_assert_uint_le(vt_open_fds(), before + 3);
    for (i = 0; i < 100; i++) {
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert_uint_eq(t.n_body, len);
    }
    hsk_hang_up(&t);
    free(data);
    end();
}

VT_TEST(a_client_that_goes_leaves_no_file_open)
{
    size_t len = 3000000;
    char *data = calloc(1, len);
    struct hsk_client t;

    start();
    write_file("site/file", data, len);
    hsk_connect(&t);
    hsk_get(&t, "/f/file");
    hsk_hang_up(&t);
    free(data);
    end(); /* the fixture counts descriptors */
}

VT_TEST(a_file_that_shrinks_cuts_the_response_off)
{
    size_t len = 3000000;
    char *data = calloc(1, len);
    char path[100];
    struct hsk_client t;

    start();
    write_file("site/file", data, len);
    hsk_connect(&t);
    hsk_get(&t, "/f/file");
    path_of(path, sizeof(path), "site/file");
    ck_assert_int_eq(truncate(path, 10), 0);
    ck_assert_uint_eq(hsk_hear(&t), 0);
    hsk_hang_up(&t);
    free(data);
    end();
}

VT_TEST(bad_arguments_are_refused)
{
    char path[100];

    make_site();
    hsk_start(NULL);
    path_of(path, sizeof(path), "nothing");
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/f/", path), -1);
    ck_assert_int_eq(errno, ENOENT);
    path_of(path, sizeof(path), "site/a.txt");
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/f/", path), -1);
    ck_assert_int_eq(errno, ENOTDIR);
    path_of(path, sizeof(path), "site");
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/f", path), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "f/", path), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/", path), 0);
    ck_assert_int_eq(vetch_http_server_files(hsk_server, "/", path), -1);
    ck_assert_int_eq(errno, EEXIST);
    end();
}

VT_TEST(types_follow_the_suffix)
{
    ck_assert_str_eq(vetch__http_type_of("a/b.html"),
                     "text/html; charset=utf-8");
    ck_assert_str_eq(vetch__http_type_of("x.JSON"), "application/json");
    ck_assert_str_eq(vetch__http_type_of("a.gif.txt"),
                     "text/plain; charset=utf-8");
    ck_assert_str_eq(vetch__http_type_of("a.gif/b"),
                     "application/octet-stream");
    ck_assert_str_eq(vetch__http_type_of("b."), "application/octet-stream");
}
