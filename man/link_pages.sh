#!/bin/sh
# usage: link_pages.sh DIR PAGE...
# For every further name of a page, write a one-line page into DIR that leads
# to the page itself.

set -eu

dir=$1
shift
rm -rf "$dir"
mkdir -p "$dir"
for page; do
    file=$(basename "$page")
    section=${file##*.}
    sed -n '/^\.Sh NAME/,/^\.Sh [^N]/s/^\.Nm \([A-Za-z0-9_]*\).*/\1/p' "$page" |
        while read -r name; do
            [ "$name.$section" = "$file" ] ||
                echo ".so man$section/$file" >"$dir/$name.$section"
        done
done
