#!/bin/sh
# Without argument: replay the corpus of every fuzz target, with mutations of
# each input unless libFuzzer is linked.  With a number: let libFuzzer run each
# target for so many seconds from its corpus; what it finds stays in the build
# folder, as t/fuzz/TARGET-crash-*.
: "${top_srcdir:?}" "${top_builddir:?}"
set -eu

seconds=${1-}

# $1 target, $2 corpus
with_libfuzzer()
{
    if [ -z "$seconds" ]; then
        "$1" -runs=0 "$2"
    else
        finds=$(mktemp -d "${TMPDIR:-/tmp}/vetch-fuzz.XXXXXX")
        result=0
        "$1" -max_total_time="$seconds" -max_len=16384 -timeout=10 \
            -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
            -artifact_prefix="$1-" "$finds" "$2" || result=1
        rm -rf "$finds"
        return $result
    fi
}

for target in endpoint http inflate proxy stream url; do
    program=$top_builddir/t/fuzz/fuzz_$target
    corpus=$top_srcdir/t/fuzz/$target
    echo "$target:"
    case ${FUZZING-} in
    yes) with_libfuzzer "$program" "$corpus" ;;
    *) "$program" "$corpus" ;;
    esac
done
