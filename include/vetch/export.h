/* How public declarations are marked. */

#ifndef VETCH_EXPORT_H
#define VETCH_EXPORT_H

#if defined(__GNUC__)
/* Visible outside the shared library, which hides everything else. */
#define VETCH_EXPORT __attribute__((visibility("default")))
/* The result owns something or tells of a failure: do not ignore it. */
#define VETCH_NODISCARD __attribute__((warn_unused_result))
/* Argument `fmt` is a printf format, its values start at argument `first`. */
#define VETCH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define VETCH_EXPORT
#define VETCH_NODISCARD
#define VETCH_PRINTF(fmt, first)
#endif

#ifdef __cplusplus
#define VETCH_BEGIN_DECLS extern "C" {
#define VETCH_END_DECLS }
#else
#define VETCH_BEGIN_DECLS
#define VETCH_END_DECLS
#endif

#endif
