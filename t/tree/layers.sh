#!/bin/sh
# Each layer uses only those below it: private headers by what is included,
# functions by what the objects ask of one another.  Demos see nothing
# private.

. "$(dirname "$0")/../support/common.sh"

# Seams: what a lower layer declares for an upper one to fill in.
seams='vetch__promise_dispatch vetch__promises_cancel_all
vetch__promises_finish vetch__promises_alive vetch__tls_hooks'

layers='base reactor promise net tls stream process http/message http/client
http/server websocket daemon'
# What is side by side: neither sees the other.
strangers='http/client http/server'
# What only its own layer may see: the others use promises through
# promise/watch-private.h.
insides='promise/promise-private.h'

# The place of a layer in the list; 0 for what is no layer.
rank()
{
    n=0
    for layer in $layers; do
        n=$((n + 1))
        [ "$layer" != "$1" ] || { echo $n; return; }
    done
    echo 0
}

# Whether the first layer may use the second.
may_see()
{
    [ "$1" != "$2" ] || return 0
    case " $strangers " in *" $1 "*)
        case " $strangers " in *" $2 "*) return 1 ;; esac ;;
    esac
    [ "$(rank "$2")" -gt 0 ] && [ "$(rank "$2")" -le "$(rank "$1")" ]
}

cd "$top_srcdir"
make_scratch

# ---- private headers ----

for file in lib/*/*.[ch] lib/*/*/*.[ch]; do
    own=$(dirname "${file#lib/}")
    own_rank=$(rank "$own")
    [ "$own_rank" -gt 0 ] || fault "$file: lib/$own is no known layer"
    for header in $(sed -n 's/^# *include *"\(.*\)".*/\1/p' "$file"); do
        layer=$(dirname "$header")
        [ -f "lib/$header" ] || fault "$file: there is no lib/$header"
        may_see "$own" "$layer" ||
            fault "$file includes \"$header\" of a layer that it may not see"
        case " $insides " in *" $header "*)
            [ "$own" = "$layer" ] ||
                fault "$file includes \"$header\", the inside of lib/$layer" ;;
        esac
    done
done

for file in demos/*/*.[ch]; do
    [ -f "$file" ] || continue
    for header in $(sed -n 's/^# *include *"\(.*\)".*/\1/p' "$file"); do
        [ -f "$(dirname "$file")/$header" ] ||
            fault "$file includes \"$header\", which is not of its family"
    done
done

# ---- functions ----

objects=0
for object in "$top_builddir"/lib/*/.libs/libvetch_private_la-*.o \
    "$top_builddir"/lib/*/libvetch_private_la-*.o \
    "$top_builddir"/lib/*/*/.libs/libvetch_private_la-*.o \
    "$top_builddir"/lib/*/*/libvetch_private_la-*.o; do
    [ -f "$object" ] || continue
    case $object in */.libs/libvetch_private_la-*) ;; */.libs/*) continue ;; esac
    objects=$((objects + 1))
    layer=$(dirname "${object#"$top_builddir"/lib/}")
    layer=${layer%/.libs}
    nm -P "$object" | awk -v layer="$layer" -v rank="$(rank "$layer")" \
        -v object="$(basename "$object" .o)" '
        $1 ~ /^vetch_/ {
            print ($2 == "U" ? "2use" : "1def"), $1, rank, layer, object
        }'
done >"$scratch/symbols"
[ "$objects" -gt 0 ] || fault 'no objects found'

LC_ALL=C sort "$scratch/symbols" | awk -v seams="$(echo "$seams" | tr '\n' ' ')" \
    -v strangers="$strangers" '
    BEGIN {
        split(seams, list); for (i in list) seam[list[i]] = 1
        split(strangers, list, " "); for (i in list) stranger[list[i]] = 1
    }
    $1 == "1def" { rank[$2] = $3; home[$2] = $4 }
    $1 == "2use" && ($2 in rank) && !($2 in seam) &&
    (rank[$2] > $3 || (home[$2] != $4 && (home[$2] in stranger) &&
                       ($4 in stranger))) {
        sub("libvetch_private_la-", "", $5)
        if (!seen[$5, $2]++)
            printf "lib/%s/%s.c uses %s of lib/%s\n", $4, $5, $2, home[$2]
    }' >"$scratch/upward"
while read -r line; do
    fault "$line"
done <"$scratch/upward"
finish "$objects objects looked at"
