# Probes of our own.  Whatever they find goes into variables that Makefile.am
# puts in AM_CFLAGS and the like: CFLAGS and LDFLAGS belong to the user.

# VETCH_ARG_FLAVOURS
# The switches that make a development build.
AC_DEFUN([VETCH_ARG_FLAVOURS], [
AC_ARG_ENABLE([debug],
    [AS_HELP_STRING([--enable-debug],
        [misuse aborts, objects carry a magic word, no optimisation])],
    [], [enable_debug=no])
AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
        [instrument library and tests: address,undefined (default) or thread])],
    [], [enable_sanitizers=no])
AC_ARG_ENABLE([coverage],
    [AS_HELP_STRING([--enable-coverage],
        [count executed lines, for `make coverage'])],
    [], [enable_coverage=no])
AC_ARG_ENABLE([fuzzing],
    [AS_HELP_STRING([--enable-fuzzing],
        [link the fuzzers with libFuzzer, address and undefined (needs clang)])],
    [], [enable_fuzzing=no])
AC_SUBST([enable_fuzzing])
AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [turn warnings into errors])],
    [], [enable_werror=no])
AS_IF([test "x$enable_fuzzing$enable_sanitizers" = xyesno], [enable_sanitizers=yes])
AM_CONDITIONAL([DEBUG_BUILD], [test "x$enable_debug" = xyes])
AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])
AM_CONDITIONAL([COVERAGE], [test "x$enable_coverage" = xyes])
AS_IF([test "x$enable_debug" = xyes],
    [AC_DEFINE([VETCH_DEBUG_BUILD], [1], [Define to abort on misuse.])])
])

# VETCH_DEFAULT_CFLAGS
# Without the user's own CFLAGS autoconf takes `-g -O2'; a development build
# has better defaults.  To be called before AC_PROG_CC.
AC_DEFUN([VETCH_DEFAULT_CFLAGS], [
AC_BEFORE([$0], [AC_PROG_CC])
AS_IF([test "x$enable_coverage" = xyes],
    [: ${CFLAGS="-g -O0"}],
    [test "x$enable_debug" = xyes],
    [: ${CFLAGS="-g -Og"}],
    [test "x$enable_sanitizers" != xno],
    [: ${CFLAGS="-g -O1"}])
])

# VETCH_WARNINGS
# Sets WARN_CFLAGS.  The probes run with -Werror, because clang only warns
# about a warning that it does not know.
AC_DEFUN([VETCH_WARNINGS], [
WARN_CFLAGS=
AX_APPEND_COMPILE_FLAGS([-Wall -Wextra -Wshadow -Wstrict-prototypes \
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
    -Wwrite-strings -Wformat-security -Wundef -Wvla -Wimplicit-fallthrough],
    [WARN_CFLAGS], [-Werror])
AS_IF([test "x$enable_werror" = xyes],
    [AX_APPEND_FLAG([-Werror], [WARN_CFLAGS])])
AC_SUBST([WARN_CFLAGS])
])

# VETCH_SANITIZERS
# Sets SAN_CFLAGS, which the linker gets as well, and $vetch_sanitizers.
AC_DEFUN([VETCH_SANITIZERS], [
AS_CASE([$enable_sanitizers],
    [no|''], [vetch_sanitizers=none],
    [yes], [vetch_sanitizers=address,undefined],
    [vetch_sanitizers=$enable_sanitizers])
SAN_CFLAGS=
AS_IF([test "x$vetch_sanitizers" != xnone], [
    SAN_CFLAGS="-fsanitize=$vetch_sanitizers -fno-sanitize-recover=all"
    SAN_CFLAGS="$SAN_CFLAGS -fno-omit-frame-pointer"
    vetch_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $SAN_CFLAGS"
    AC_MSG_CHECKING([whether $CC can link with -fsanitize=$vetch_sanitizers])
    AC_LINK_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
        AC_MSG_ERROR([$CC cannot link with -fsanitize=$vetch_sanitizers])])
    CFLAGS=$vetch_save_CFLAGS])
AS_IF([test "x$enable_fuzzing" = xyes], [
    vetch_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $SAN_CFLAGS -fsanitize=fuzzer"
    AC_MSG_CHECKING([whether $CC has libFuzzer])
    AC_LINK_IFELSE([AC_LANG_SOURCE([[
        #include <stddef.h>
        #include <stdint.h>
        int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
        int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
        { return data == NULL && size > 0; }]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
        AC_MSG_ERROR([--enable-fuzzing needs CC=clang and its libFuzzer (Debian: libclang-rt-dev)])])
    CFLAGS=$vetch_save_CFLAGS
    SAN_CFLAGS="$SAN_CFLAGS -fsanitize=fuzzer-no-link"])
AC_SUBST([SAN_CFLAGS])
AC_SUBST([SANITIZERS], [$vetch_sanitizers])
AM_CONDITIONAL([SANITIZED], [test "x$vetch_sanitizers" != xnone])
])

# VETCH_COVERAGE
AC_DEFUN([VETCH_COVERAGE], [
AS_IF([test "x$enable_coverage" = xyes],
    [AX_CHECK_LINK_FLAG([--coverage], [COVERAGE_CFLAGS=--coverage],
        [AC_MSG_ERROR([$CC cannot link with --coverage])])])
AC_SUBST([COVERAGE_CFLAGS])
])

# VETCH_LIBRARY_FLAGS
# Sets LIB_CFLAGS and LIB_LDFLAGS for what ends in libvetch: hidden
# visibility, a version map, calls inside the library bound at link time, and
# thread-local variables at a fixed offset (the generic model costs a call
# for each access to the current reactor). The library stays loaded once it is:
# a handler of SIGPIPE and one of fork(2) point into it.
AC_DEFUN([VETCH_LIBRARY_FLAGS], [
LIB_CFLAGS=
LIB_LDFLAGS=
AX_APPEND_COMPILE_FLAGS([-fvisibility=hidden -ftls-model=initial-exec],
    [LIB_CFLAGS], [-Werror])
AX_CHECK_LINK_FLAG([-Wl,-Bsymbolic],
    [AS_VAR_APPEND([LIB_LDFLAGS], [" -Wl,-Bsymbolic"])])
AX_CHECK_LINK_FLAG([-Wl,-z,nodelete],
    [AS_VAR_APPEND([LIB_LDFLAGS], [" -Wl,-z,nodelete"])])
AX_CHECK_VSCRIPT
AC_SUBST([LIB_CFLAGS])
AC_SUBST([LIB_LDFLAGS])
])

# VETCH_LIBEVENT_PATCHED
# libevent 2.1.12 needs the fixes that 2.1.13 brought.  Debian's package has
# them from 2.1.12-stable-8+deb12u1 on; where there is no package database to
# ask, say what we cannot tell.
AC_DEFUN([VETCH_LIBEVENT_PATCHED], [
AC_MSG_CHECKING([whether libevent has the security fixes of 2.1.13])
vetch_libevent=`$PKG_CONFIG --modversion libevent_core`
AS_CASE([$vetch_libevent],
    [2.1.12*], [
    vetch_package=`dpkg-query -W -f '${Version}' libevent-dev 2>/dev/null`
    AS_IF([test -z "$vetch_package"], [vetch_patched=unknown],
        [dpkg --compare-versions "$vetch_package" ge 2.1.12-stable-8+deb12u1],
        [vetch_patched="yes, in $vetch_package"],
        [vetch_patched=no])],
    [vetch_patched=yes])
AC_MSG_RESULT([$vetch_patched])
AS_CASE([$vetch_patched],
    [no|unknown], [AC_MSG_WARN([libevent $vetch_libevent may lack security fixes; prefer 2.1.13 or later, or a patched package])])
])

# VETCH_LLHTTP
# A system library if pkg-config knows one, else the C sources that Debian's
# node-llhttp installs, compiled in strict mode and kept inside libvetch.
AC_DEFUN([VETCH_LLHTTP], [
AC_ARG_WITH([llhttp-src],
    [AS_HELP_STRING([--with-llhttp-src=DIR],
        [compile llhttp from the C files in DIR; llhttp.h is there or in DIR/../include/llhttp])],
    [], [with_llhttp_src=])
LLHTTP_SRCDIR=
vetch_llhttp_from=
AS_CASE([$with_llhttp_src],
    [yes|no], [AC_MSG_ERROR([--with-llhttp-src needs a directory])],
    [''], [PKG_CHECK_MODULES([LLHTTP], [libllhttp >= 8.1],
        [vetch_llhttp_from="system library `$PKG_CONFIG --modversion libllhttp`"],
        [LLHTTP_SRCDIR=/usr/share/llhttp])],
    [LLHTTP_SRCDIR=$with_llhttp_src])
AS_IF([test -n "$LLHTTP_SRCDIR"], [
    AC_MSG_CHECKING([for the sources of llhttp])
    for vetch_file in api.c http.c llhttp.c; do
        AS_IF([test ! -r "$LLHTTP_SRCDIR/$vetch_file"], [
            AC_MSG_RESULT([no])
            AC_MSG_ERROR([no $vetch_file in $LLHTTP_SRCDIR: install node-llhttp or libllhttp-dev, or give --with-llhttp-src=DIR])])
    done
    AC_MSG_RESULT([$LLHTTP_SRCDIR])
    AC_MSG_CHECKING([for llhttp.h])
    LLHTTP_SRCDIR=`cd "$LLHTTP_SRCDIR" && pwd`
    vetch_llhttp_include=
    for vetch_dir in "$LLHTTP_SRCDIR" "$LLHTTP_SRCDIR/../include/llhttp" \
        "$LLHTTP_SRCDIR/../include"; do
        AS_IF([test -z "$vetch_llhttp_include" && test -r "$vetch_dir/llhttp.h"],
            [vetch_llhttp_include=`cd "$vetch_dir" && pwd`])
    done
    AS_IF([test -z "$vetch_llhttp_include"], [
        AC_MSG_RESULT([no])
        AC_MSG_ERROR([no llhttp.h in or near $LLHTTP_SRCDIR])])
    AC_MSG_RESULT([$vetch_llhttp_include])
    LLHTTP_CFLAGS="-isystem $vetch_llhttp_include -DLLHTTP_STRICT_MODE=1"
    LLHTTP_LIBS=
    vetch_llhttp_from="$LLHTTP_SRCDIR, in strict mode"])
AC_SUBST([LLHTTP_SRCDIR])
AC_SUBST([LLHTTP_CFLAGS])
AC_SUBST([LLHTTP_LIBS])
AM_CONDITIONAL([LLHTTP_FROM_SOURCE], [test -n "$LLHTTP_SRCDIR"])
])

# TLS by OpenSSL, unless told to do without.
AC_DEFUN([VETCH_OPENSSL], [
AC_ARG_WITH([openssl],
    [AS_HELP_STRING([--without-openssl], [build without TLS])],
    [], [with_openssl=yes])
vetch_openssl=no
OPENSSL_REQUIRES=
AS_IF([test "x$with_openssl" != xno],
    [PKG_CHECK_MODULES([OPENSSL], [libssl >= 3.0 libcrypto >= 3.0],
        [vetch_openssl=`$PKG_CONFIG --modversion libssl`
         OPENSSL_REQUIRES=libssl
         AC_DEFINE([HAVE_OPENSSL], [1], [Define if there is TLS.])],
        [AC_MSG_ERROR([TLS needs OpenSSL 3; install libssl-dev or give --without-openssl])])])
AC_SUBST([OPENSSL_REQUIRES])
AM_CONDITIONAL([OPENSSL], [test "x$vetch_openssl" != xno])
])
