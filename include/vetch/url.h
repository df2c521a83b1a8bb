/* URLs and other URIs (RFC 3986): parse, join, compare, encode; see
 * vetch_url(3). Thread: any; a URL is handed over between threads, never
 * shared. */
#ifndef VETCH_URL_H
#define VETCH_URL_H

#include <vetch/types.h>

VETCH_BEGIN_DECLS

/* Parse an absolute URL of any scheme. Scheme and host become lower case;
 * characters that browsers leave bare in paths, queries and fragments are
 * percent-encoded.
 * Ownership: returns a new reference; copies `text`.
 * Errors:    NULL and errno: EINVAL, malformed, with `*ret_why` (unless
 *            `ret_why` is NULL) a static text that says why; ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_url *vetch_url_parse(const char *text,
                                                        const char **ret_why);
/* What `reference` means on the page `base` (RFC 3986, section 5.2).
 * Errors: as vetch_url_parse(). */
VETCH_EXPORT VETCH_NODISCARD vetch_url *vetch_url_join(const vetch_url *base,
                                                       const char *reference,
                                                       const char **ret_why);
/* Whether both name the same, after normalising (section 6.2): default ports,
 * dot segments, escapes that need not be. Out of memory: false. */
VETCH_EXPORT bool vetch_url_equal(const vetch_url *a, const vetch_url *b);

/* The whole URL, and its parts as they stand there, borrowed. NULL: there is no
 * such part; a path there always is. An IPv6 host has its brackets. */
VETCH_EXPORT const char *vetch_url_text(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_scheme(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_userinfo(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_host(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_path(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_query(const vetch_url *u);
VETCH_EXPORT const char *vetch_url_fragment(const vetch_url *u);
/* The port, or the default one of http, https, ws and wss; 0: not known. */
VETCH_EXPORT unsigned vetch_url_port(const vetch_url *u);

/* Append data so that it can stand in any part of a URL: all but letters,
 * digits and -._~ as %XX. And the reverse.
 * Errors: -1 and errno: ENOMEM; EINVAL, _decode: a `%` without two hexadecimal
 *         digits. Then nothing was appended. */
VETCH_EXPORT int vetch_url_encode(vetch_buffer *to, const void *data,
                                  size_t len);
VETCH_EXPORT int vetch_url_decode(vetch_buffer *to, const char *text,
                                  size_t len);

VETCH_EXPORT vetch_url *vetch_url_ref(vetch_url *u);
VETCH_EXPORT vetch_url *vetch_url_unref(vetch_url *u);

VETCH_END_DECLS

#endif
