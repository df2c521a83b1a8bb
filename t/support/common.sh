# Sourced by the checks of the tree itself, t/tree/*.sh.  Each prints every
# fault it finds and ends with `finish'.  By hand, from anywhere:
#
#   top_builddir=build sh t/tree/exports.sh

# shellcheck shell=sh
set -eu

: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
: "${CC:=cc}"
faults=0

fault()
{
    printf 'fault: %s\n' "$*"
    faults=$((faults + 1))
}

skip()
{
    printf 'skipped: %s\n' "$*"
    exit 77
}

need()
{
    command -v "${1%% *}" >/dev/null 2>&1 || skip "no ${1:-such tool}"
}

# A folder for scratch files, gone when the check ends.
make_scratch()
{
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/vetch-check.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
}

# Lines of a list file without comments and blank lines, sorted.
list()
{
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$1" | LC_ALL=C sort -u
}

# What the shared library exports, sorted.
exported()
{
    so=$top_builddir/.libs/libvetch.so
    [ -e "$so" ] || return 1
    nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' |
        sed 's/@.*//' | LC_ALL=C sort -u
}

# What the public headers declare with VETCH_EXPORT, sorted.
declared()
{
    for header in "$top_srcdir"/include/vetch/*.h; do
        $CC -E -P -I "$top_srcdir/include" \
            '-D__attribute__(x)=' -DVETCH_EXPORT_H -DVETCH_EXPORT=@public \
            -DVETCH_NODISCARD= '-DVETCH_PRINTF(a,b)=' \
            -DVETCH_BEGIN_DECLS= -DVETCH_END_DECLS= "$header"
    done | tr '\n' ' ' | tr ';' '\n' | grep '@public' |
        sed 's/.*@public//' | grep -o 'vetch_[a-z0-9_]* *(' |
        sed 's/ *($//' | LC_ALL=C sort -u
}

finish()
{
    [ "$faults" -eq 0 ] || { echo "$faults faults"; exit 1; }
    [ $# -eq 0 ] || echo "$*"
    exit 0
}
