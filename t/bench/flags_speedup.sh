#!/bin/sh
# How much faster many requests at once are than one after the other, measured
# as a user does, from the start of the program to its end; medians of ROUNDS
# (5) on a server that waits 50 ms before each response. Takes three minutes.
#
#   top_builddir=build sh t/bench/flags_speedup.sh [ROUNDS]

set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=$top_srcdir/build}"
programs=$(cd "$top_builddir/demos/flags" && pwd)
rounds=${1:-5}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/vetch-bench.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

cd "$scratch"
"$programs/flagserver" --make-site site >made
mkfifo fifo
"$programs/flagserver" --site site --port 0 --delay-port 0 --error-port 0 \
    --delay 0.05 >fifo &
server=$!
exec 3<fifo
read -r label url <&3
read -r label url <&3
[ "$label" = DELAY ]

# Run a command; add its wall time in microseconds to file $1.
measure()
{
    series=$1
    shift
    rm -rf downloaded
    start=$(date +%s%N)
    "$@" >out || { cat out; echo "$* failed"; exit 1; }
    echo $((($(date +%s%N) - start) / 1000)) >>"$series"
}

median()
{
    sort -n "$1" | awk '{ t[NR] = $1 }
        END { printf "%.4f", (t[int((NR + 1) / 2)] + t[int(NR / 2) + 1]) / 2e6 }'
}

# Print one line: name, both medians, their ratio.
compare()
{
    awk -v name="$1" -v slow="$(median "$2")" -v fast="$(median "$3")" \
        -v rounds="$rounds" 'BEGIN {
        printf "%s: sequential %.3f s, promises %.3f s, %.1f times faster" \
            " (median of %d)\n", name, slow, fast, slow / fast, rounds }'
}

for round in $(seq "$rounds"); do
    echo "round $round" >&2
    measure first.slow "$programs/flags_sequential" "$url"
    measure first.fast "$programs/flags_promises" "$url"
    measure second.slow "$programs/flags2_sequential" -e -l 600 -s DELAY \
        -b "$url"
    measure second.fast "$programs/flags2_promises" -e -l 600 -s DELAY \
        -b "$url" -m 100
done
compare '20 flags, all at once' first.slow first.fast
compare '600 codes, 100 at once' second.slow second.fast
