/* The files that flagserver serves: DIR/flags/CC/CC.gif and metadata.json. */
#ifndef FLAGS_SITE_H
#define FLAGS_SITE_H

#include <stddef.h>

struct file {
    char path[64]; /* below DIR/flags: "br/br.gif" */
    char *data;
    size_t len;
};

/* Write a site into `dir`, of the packages famfamfam-flag-gif and iso-codes.
 * Returns how many flags it has, or -1 with the reason on standard error. */
int make_site(const char *dir);

/* Read the site below `dir` into memory. -1 and the reason on standard
 * error. */
int load_site(const char *dir);
void unload_site(void);

/* A file of the site that was loaded, or NULL. */
const struct file *find_file(const char *path);

#endif
