#!/bin/sh
# Each public header compiles by itself, as strict C11 and as C++, with every
# compiler at hand; includes nothing but other public headers, a few of C's
# and what sockets need; has no struct that cannot grow; is installed; and, but
# for the testing kit, is part of the umbrella.

. "$(dirname "$0")/../support/common.sh"

warnings='-Wall -Wextra -Wpedantic -Werror'

make_scratch
cd "$top_srcdir/include"

# $1 compiler, $2 language, $3 standard, $4 header
compiles()
{
    # shellcheck disable=SC2086 # lists of words
    printf '#include <%s>\n#include <%s>\nextern int n;\n' "$4" "$4" |
        $1 -std=$3 $warnings -I . -fsyntax-only -x $2 - 2>"$scratch/err" || {
        fault "$4 does not compile with $1 -std=$3:"
        cat "$scratch/err"
    }
}

# The given compilers that exist, without repetition.
at_hand()
{
    for compiler; do
        ! command -v "${compiler%% *}" >/dev/null 2>&1 || echo "$compiler"
    done | sort -u
}

c_compilers=$(at_hand "${CC%% *}" gcc clang)
cxx_compilers=$(at_hand g++ clang++)
[ "$c_compilers" ] || fault 'no C compiler found'

for header in vetch.h vetch/*.h; do
    for compiler in $c_compilers; do
        compiles "$compiler" c c11 "$header"
    done
    for compiler in $cxx_compilers; do
        compiles "$compiler" c++ c++11 "$header"
    done

    strange=$(sed -n 's/^# *include *//p' "$header" | grep -vE \
        '^<(vetch/[a-z0-9_]+\.h|std[a-z]+\.h|errno\.h|math\.h|sys/socket\.h|sys/uio\.h)>$' ||
        true)
    [ -z "$strange" ] || fault "$header includes $strange"
    grep -qF "include/$header" local.mk ||
        fault "$header is not listed in include/local.mk"
    # What can be seen through can grow only if it says how large it is. A
    # protocol or a filter is the first member of a structure of the program's,
    # and its class has the size.
    for struct in $(awk '
        /^(typedef )?(struct|union) [a-z_]+ \{/ {
            name = $(NF - 1)
            do { getline } while (/^ *(\/?\*.*)?$/)
            if (!/^ *size_t size;/) print name
        }' "$header"); do
        case $struct in
        vetch_protocol | vetch_filter) ;;
        *) fault "$header: struct $struct does not begin with its size" ;;
        esac
    done
    case $header in vetch.h | vetch/testing.h) continue ;; esac
    grep -qF "#include <$header>" vetch.h ||
        fault "$header is not included by vetch.h"
done
finish "with" $c_compilers $cxx_compilers
