#!/bin/sh
# What the shared library exports is what the checked-in list says, and what
# the public headers declare.  After a change that is meant:
# `make update-exports', and think of LT_VERSION_INFO in configure.ac.

. "$(dirname "$0")/../support/common.sh"

make_scratch
cd "$scratch"
exported >exported || skip 'no shared library in this build'
declared >declared
list "$top_srcdir/t/tree/exports.txt" >listed

[ -s exported ] || fault 'the library exports nothing'
[ -s declared ] || fault 'the headers declare nothing'

for name in $(LC_ALL=C comm -23 exported listed); do
    fault "$name is exported, but not in t/tree/exports.txt"
done
for name in $(LC_ALL=C comm -13 exported listed); do
    fault "$name is in t/tree/exports.txt, but not exported"
done
for name in $(LC_ALL=C comm -23 exported declared); do
    fault "$name is exported, but no header declares it"
done
for name in $(LC_ALL=C comm -13 exported declared); do
    fault "$name is declared in a header, but not exported"
done
for name in $(nm -D -u "$so" | awk '$2 ~ /^vetch_/ { print $2 }')
do
    fault "$name is used in the library, but not there"
done
finish "$(wc -l <exported) exported names"
