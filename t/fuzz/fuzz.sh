#!/bin/sh
# Replays the corpus of every fuzz target, with mutations of each input.
set -eu
"$top_builddir/t/fuzz/fuzz_http" "$top_srcdir/t/fuzz/http"
