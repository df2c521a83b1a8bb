#!/bin/sh
# After `make check' in a build with --enable-coverage: the share of lines of
# each source file of the library that the tests executed, worst first.

. "$(dirname "$0")/../support/common.sh"

need "${GCOV:-gcov}"
make_scratch
top=$(cd "$top_builddir" && pwd)
cd "$scratch"
find "$top/lib" -name '*.gcda' -exec "${GCOV:-gcov}" -n {} \; 2>/dev/null | awk '
    /^File / { file = $2; gsub(/\047/, "", file) }
    /^Lines executed:/ && file ~ /\/lib\/([a-z]+\/)*[^\/]*\.c$/ {
        sub(/.*\/lib\//, "lib/", file)
        split($0, part, /[:%]| of /)
        if (!(file in best) || part[2] > best[file])
            best[file] = part[2]
        lines[file] = part[4]
        file = ""
    }
    END {
        for (file in best) {
            printf "%6.1f%% of %5d  %s\n", best[file], lines[file], file | "sort -n"
            all += lines[file]
            run += lines[file] * best[file] / 100
        }
        close("sort -n")
        if (all > 0)
            printf "%6.1f%% of %5d  all\n", 100 * run / all, all
    }'
