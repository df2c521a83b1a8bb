#!/bin/sh
# The manual pages are sound, list what they describe, describe every exported
# function, and declare it as the headers do.

. "$(dirname "$0")/../support/common.sh"

make_scratch
cd "$top_srcdir/man"

# What the NAME section of a page names.
names()
{
    sed -n '/^\.Sh NAME/,/^\.Sh [^N]/s/^\.Nm \([A-Za-z0-9_]*\).*/\1/p' "$1"
}

# What the SYNOPSIS of a page declares.
functions()
{
    sed -n '/^\.Sh SYNOPSIS/,/^\.Sh [^S]/s/^\.F[no] "\{0,1\}\(vetch_[a-z0-9_]*\).*/\1/p' "$1"
}

# The SYNOPSIS of a page as C.
declarations()
{
    awk '
        /^\.Sh / { synopsis = ($2 == "SYNOPSIS"); next }
        !synopsis { next }
        /^\.Ft / { type = substr($0, 5); next }
        /^\.Fo / { name = $2; n = 0; next }
        /^\.Fa / { args[++n] = substr($0, 5) }
        /^\.Fn / {
            name = $2
            rest = substr($0, length(".Fn " name " ") + 1)
            gsub(/" "/, ", ", rest)
            args[n = 1] = rest
        }
        /^\.(Fn |Fc)/ {
            text = type " " name "("
            for (i = 1; i <= n; i++)
                text = text (i > 1 ? ", " : "") args[i]
            gsub(/"/, "", text)
            print text ");"
        }' "$1"
}

: >"$scratch/names"
for page in *.[1-8]; do
    [ -f "$page" ] || continue
    if command -v "${MANDOC:-mandoc}" >/dev/null 2>&1; then
        "${MANDOC:-mandoc}" -T lint -W warning "$page" >"$scratch/lint" || {
            fault "man/$page:"
            cat "$scratch/lint"
        }
    else
        no_mandoc=yes
    fi
    grep -qF "man/$page" local.mk || fault "man/$page is not in man/local.mk"
    [ "$(names "$page" | head -n 1)" ] || fault "man/$page has no name"
    names "$page" | LC_ALL=C sort >"$scratch/named"
    functions "$page" | LC_ALL=C sort -u >"$scratch/functions"
    sed "s|\$| $page|" "$scratch/named" >>"$scratch/names"
    for name in $(LC_ALL=C comm -13 "$scratch/named" "$scratch/functions"); do
        fault "man/$page declares $name, but does not name it"
    done
    list "$top_srcdir/t/tree/exports.txt" | LC_ALL=C comm -12 - "$scratch/named" |
        LC_ALL=C comm -23 - "$scratch/functions" >"$scratch/undeclared"
    while read -r name; do
        fault "man/$page names $name, but does not declare it"
    done <"$scratch/undeclared"
    # A declaration that differs from the header's does not compile.
    { printf '#include <vetch.h>\n#include <vetch/testing.h>\n'
      declarations "$page"; } >"$scratch/synopsis.c"
    $CC -Wpedantic -Werror -std=c11 -DVETCH_NO_SITES -I "$top_srcdir/include" -fsyntax-only \
        "$scratch/synopsis.c" 2>"$scratch/err" || {
        fault "man/$page declares something otherwise than the headers:"
        cat "$scratch/err"
    }
    for name in $(cat "$scratch/named"); do
        case $page:$name in
        *.3:vetch_*)
            grep -rqw -- "$name" "$top_srcdir/include" ||
                fault "man/$page names $name, which no header knows" ;;
        esac
    done
done

# A reference to one of our pages leads to a name in that section.
sed 's/ .*\(\.[1-8]\)$/\1/' "$scratch/names" | LC_ALL=C sort -u >"$scratch/pages"
grep -oh 'Xr vetch[a-z0-9_]* [1-8]' ./*.[1-8] | sed 's/^Xr \(.*\) /\1./' |
    LC_ALL=C sort -u | LC_ALL=C comm -23 - "$scratch/pages" >"$scratch/nowhere"
while read -r name; do
    fault "there is a reference to $name, but no such page"
done <"$scratch/nowhere"

cut -d' ' -f1 "$scratch/names" | LC_ALL=C sort | uniq -d |
    while read -r name; do
        echo "$name is named by more than one page:" \
            "$(sed -n "s/^$name //p" "$scratch/names" | tr '\n' ' ')"
    done >"$scratch/twice"
while read -r line; do
    fault "$line"
done <"$scratch/twice"

if exported >"$scratch/exported"; then
    cut -d' ' -f1 "$scratch/names" | LC_ALL=C sort -u >"$scratch/documented"
    for name in $(LC_ALL=C comm -23 "$scratch/exported" "$scratch/documented"); do
        fault "$name is exported, but no page names it"
    done
fi
[ "$faults" -gt 0 ] || [ -z "${no_mandoc-}" ] ||
    skip 'no mandoc, so the pages were not linted'
finish
