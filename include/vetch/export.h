/* Compiler attributes of the public headers. */
#ifndef VETCH_EXPORT_H
#define VETCH_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define VETCH_EXPORT       __attribute__((visibility("default")))
#define VETCH_NODISCARD    __attribute__((warn_unused_result))
#define VETCH_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define VETCH_NEVER_NULL   __attribute__((returns_nonnull))
#else
#define VETCH_EXPORT
#define VETCH_NODISCARD
#define VETCH_PRINTF(f, a)
#define VETCH_NEVER_NULL
#endif

#ifdef __cplusplus
#define VETCH_BEGIN_DECLS extern "C" {
#define VETCH_END_DECLS   }
#else
#define VETCH_BEGIN_DECLS
#define VETCH_END_DECLS
#endif

#endif
