#!/bin/sh
# `make install' gives a library that a program finds with pkg-config and
# pages that man finds; `make uninstall' takes all of it away again.

. "$(dirname "$0")/../support/common.sh"

make_scratch
dest=$scratch/dest
unset MAKEFLAGS MFLAGS MAKELEVEL

# $1 is the target
run_make()
{
    "${MAKE:-make}" -C "$top_builddir" --no-print-directory "$1" \
        DESTDIR="$dest" >"$scratch/log" 2>&1 || {
        tail -n 20 "$scratch/log"
        fault "make $1 failed"
        finish
    }
}

run_make install

pc=$(find "$dest" -name vetch.pc)
[ -n "$pc" ] || { fault 'vetch.pc is not installed'; finish; }
prefix=$dest$(sed -n 's/^prefix=//p' "$pc")
PKG_CONFIG_PATH=$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
library=$(find "$dest" -name 'libvetch.so' -o -name 'libvetch.a' | head -n 1)

cat >"$scratch/user.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <vetch.h>
#include <vetch/testing.h>

/* What the tests of a stranger's program do. */
static int
use_the_kit(void)
{
    vetch_reactor *reactor = vetch_reactor_new();
    vetch_promise *p;
    int wrong = vetch_testing_virtual_clock();

    wrong |= vetch_testing_shuffle(7);
    p = vetch_sleep(3600);
    vetch_testing_advance(3600);
    wrong |= vetch_promise_state(p) != VETCH_FULFILLED;
    vetch_promise_unref(p);
    vetch_testing_fail_allocation(1, false);
    p = vetch_sleep(1);
    vetch_testing_fail_allocation(0, false);
    wrong |= vetch_error_code(vetch_promise_error(p)) != VETCH_ENOMEM;
    vetch_promise_unref(p);
    vetch_testing_run_ready();
    vetch_reactor_unref(reactor);
    return wrong;
}

int
main(void)
{
    if (strcmp(vetch_version(), VETCH_VERSION) != 0)
        return 1;
    puts(vetch_version());
    return use_the_kit();
}
END
case $library in
*.so) static= ;;
*) static=--static ;;
esac
# shellcheck disable=SC2046,SC2086 # lists of words
$CC -Wall -Wextra -Werror ${SAN_CFLAGS-} ${COVERAGE_CFLAGS-} \
    -o "$scratch/user" "$scratch/user.c" \
    $(pkg-config --define-variable=prefix="$prefix" $static --cflags --libs \
        vetch) || fault 'a program does not build with what pkg-config says'
LD_LIBRARY_PATH=$(dirname "$library") "$scratch/user" ||
    fault 'a program does not run with the installed library'

# Each page, and each further name of a page, is found by man.
for page in "$top_srcdir"/man/*.3; do
    [ -f "$page" ] || continue
    for name in $(sed -n \
        '/^\.Sh NAME/,/^\.Sh [^N]/s/^\.Nm \([A-Za-z0-9_]*\).*/\1/p' "$page"); do
        [ -n "$(find "$dest" -path "*/man3/$name.3")" ] ||
            fault "no page is installed under the name $name"
    done
done

run_make uninstall
left=$(find "$dest" ! -type d)
[ -z "$left" ] || fault "uninstall leaves: $left"
finish
