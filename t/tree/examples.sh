#!/bin/sh
# Every program in a manual page, and in README.md, compiles without a
# warning; one with a main function links as well.

. "$(dirname "$0")/../support/common.sh"

make_scratch

# Each literal block that includes <vetch.h> becomes a file of its own.
: >"$scratch/list"
for page in "$top_srcdir"/man/*.[1-8]; do
    [ -f "$page" ] || continue
    awk -v base="$scratch/$(basename "$page" | tr . _)" '
        /^\.Bd .*-literal/ { inside = 1; text = ""; next }
        /^\.Ed/ && inside {
            inside = 0
            if (text ~ /#include <vetch\.h>/) {
                file = base "_" ++n ".c"
                printf "%s", text > file
                close(file)
            }
        }
        inside && /^\.\\"/ { next }
        inside && /^\.[A-Z]/ { next }
        inside {
            gsub(/\\&/, "")
            gsub(/\\-/, "-")
            gsub(/\\\(aq/, "\047")
            gsub(/\\\(dq/, "\"")
            gsub(/\\\(ti/, "~")
            gsub(/\\\(ha/, "^")
            gsub(/\\\(ga/, "`")
            gsub(/\\e/, "\\")
            text = text $0 "\n"
        }' "$page"
done
awk -v base="$scratch/README" '
    /^```c$/ { inside = 1; text = ""; next }
    /^```$/ && inside {
        inside = 0
        file = base "_" ++n ".c"
        printf "%s", text > file
        close(file)
    }
    inside { text = text $0 "\n" }' "$top_srcdir/README.md"

count=0
for file in "$scratch"/*.c; do
    [ -f "$file" ] || continue
    count=$((count + 1))
    name=$(basename "$file" .c)
    # shellcheck disable=SC2086 # lists of words
    $CC -Wall -Wextra -Werror ${SAN_CFLAGS-} -I "$top_srcdir/include" \
        -c -o "$scratch/$name.o" "$file" || {
        fault "example $name does not compile"
        continue
    }
    grep -q '^main(\|int main(' "$file" || continue
    # shellcheck disable=SC2086
    "$top_builddir/libtool" --quiet --tag=CC --mode=link $CC ${SAN_CFLAGS-} \
        ${COVERAGE_CFLAGS-} -no-install -o "$scratch/$name" \
        "$scratch/$name.o" "$top_builddir/libvetch.la" ||
        fault "example $name does not link"
done
[ "$count" -gt 0 ] || skip 'no examples'
finish "$count examples"
