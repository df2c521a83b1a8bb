#!/bin/sh
# What HACKING.md and docs/ say of the tree is true: files, switches of
# configure, targets of make and cases of tests exist.

. "$(dirname "$0")/../support/common.sh"

pages='HACKING.md docs/internals.md'
cd "$top_srcdir"

# Words of the given pattern from both pages.
words()
{
    # shellcheck disable=SC2086 # a list of words
    grep -ohE -- "$1" $pages | LC_ALL=C sort -u
}

for path in $(words '(\.ci|demos|docs|include|lib|m4|man|t)/[A-Za-z0-9_./-]*[A-Za-z0-9_]'); do
    case $path in *[A-Z][A-Z]*) continue ;; esac # as in t/LAYER
    [ -e "$path" ] || [ -e "$path.c" ] || fault "there is no $path"
done

make_scratch
./configure --help >"$scratch/help"
for switch in $(words '--(enable|disable|with)-[a-z-]+'); do
    name=${switch#--*-}
    grep -qE -- "--(enable|disable|with)-$name" "$scratch/help" ||
        fault "configure has no $switch"
done

for target in $(words '(`|^    )make (-C build )?(-j[0-9]+ )?[a-z]+(-[a-z]+)*' |
    sed 's/.* //'); do
    case $target in install | check | sure) continue ;; esac
    grep -qE "^([a-z-]+ )*$target( [a-z-]+)*:" "$top_builddir/Makefile" ||
        fault "there is no make $target"
done

words 'CK_RUN_CASE=[a-z]+ build/[a-z_/]+' | while read -r example; do
    case=${example#CK_RUN_CASE=}
    grep -q "VT_CASE(\"${case%% *}\"" "${example#* build/}.c" ||
        echo "$example"
done >"$scratch/cases"
while read -r example; do
    fault "no such case: $example"
done <"$scratch/cases"
finish
