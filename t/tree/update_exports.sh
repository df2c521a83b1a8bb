#!/bin/sh
# Write t/tree/exports.txt anew from what the built library exports.

. "$(dirname "$0")/../support/common.sh"

file=$top_srcdir/t/tree/exports.txt
exported >"$file.new" || skip 'no shared library in this build'
{
    sed -n '/^#/p' "$file"
    cat "$file.new"
} >"$file.newer"
rm "$file.new"
mv "$file.newer" "$file"
finish "$(exported | wc -l) exported names"
