#!/bin/sh
# A static function has its name for itself in all of lib/, so that a stack
# trace says where one is.

. "$(dirname "$0")/../support/common.sh"

cd "$top_srcdir"
make_scratch

# The name stands at the beginning of a line, its type on the line before.
for file in lib/*/*.[ch] lib/*/*/*.[ch]; do
    awk -v file="$file" '
        type ~ /^static / && type !~ /[;(]/ && match($0, /^[a-z_0-9]+\(/) {
            print substr($0, 1, RLENGTH - 1), file
        }
        { type = $0 }' "$file"
done | LC_ALL=C sort -u >"$scratch/names"
[ -s "$scratch/names" ] || fault 'no static functions found'

awk '$1 == name { print name ": in " file " and in " $2 }
    { name = $1; file = $2 }' "$scratch/names" >"$scratch/twice"
while read -r line; do
    fault "$line"
done <"$scratch/twice"
finish "$(wc -l <"$scratch/names") static functions looked at"
