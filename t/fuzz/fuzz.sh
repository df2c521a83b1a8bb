#!/bin/sh
# Replays the corpus of every fuzz target, with mutations of each input.
: "${top_srcdir:?}" "${top_builddir:?}"
set -eu
for target in http url inflate; do
    "$top_builddir/t/fuzz/fuzz_$target" "$top_srcdir/t/fuzz/$target"
done
