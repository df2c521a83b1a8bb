#!/bin/sh
# `make dist' packs the same tarball whenever and by whomever it is run.

. "$(dirname "$0")/../support/common.sh"

need xz
make_scratch
unset MAKEFLAGS MFLAGS MAKELEVEL

# $1 is the umask, $2 the name of the tarball
pack()
{
    (umask "$1" && "${MAKE:-make}" -C "$top_builddir" --no-print-directory \
        dist distdir="$scratch/vetch") >"$scratch/log" 2>&1 || {
        tail -n 20 "$scratch/log"
        fault 'make dist failed'
        finish
    }
    mv "$scratch/vetch.tar.xz" "$scratch/$2"
}

pack 022 first.tar.xz
pack 002 second.tar.xz
cmp "$scratch/first.tar.xz" "$scratch/second.tar.xz" ||
    fault 'two tarballs of the same tree differ'

times=$(tar -tv --full-time -f "$scratch/first.tar.xz" |
    awk '{ print $4, $5 }' | sort -u | wc -l)
[ "$times" -eq 1 ] || fault "the files have $times different times, not one"
finish
