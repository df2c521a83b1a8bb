#!/bin/sh
# Sum up what `make check` left in the given build folders, as one line:
#
#   N passed, N failed, N skipped
#
# A program of Check counts for each of its test cases, any other test for
# one.  A program that failed without saying which case (it crashed, or it
# leaked) counts as one failure.  Fails if anything failed, or if nothing ran.

set -eu

[ $# -gt 0 ] || { echo "usage: $0 BUILD_DIR..." >&2; exit 2; }

find "$@" -name '*.trs' ! -name test-suite.trs | sort | {
    passed=0
    failed=${more_failed:-0} # faults that the caller knows of
    skipped=0
    while read -r trs; do
        result=$(sed -n 's/^:global-test-result: //p' "$trs")
        cases=$(sed -n \
            's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' \
            "${trs%.trs}.log" |
            awk '{ n += $1; bad += $2 + $3 } END { print n + 0, bad + 0 }')
        n=${cases% *}
        bad=${cases#* }
        case $result in
        PASS) [ "$n" -gt 0 ] || n=1 ;;
        SKIP) skipped=$((skipped + 1)) ;;
        *)
            [ "$bad" -gt 0 ] || bad=1
            [ "$n" -ge "$bad" ] || n=$bad
            printf 'failed: %s\n' "${trs%.trs}.log"
            ;;
        esac
        passed=$((passed + n - bad))
        failed=$((failed + bad))
    done
    printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
}
