#!/bin/sh
# The character finder: what it prints is what Python's unicodedata says, its
# index is kept and never trusted, and both servers talk with nc and telnet, log
# what they do, and let nobody wait for a client that does not read.

. "$(dirname "$0")/common.sh"

demos=$top_builddir/demos/charfinder
[ -x "$demos/charfinder" ] || skip 'built without ICU'
CHARFINDER_INDEX=$scratch/index
export CHARFINDER_INDEX
tab=$(printf '\t')

# ---- the command line ----

run "$demos/charfinder" cat face
ended_with 0
complained_of_nothing
printed_line "^U+1F431${tab}🐱${tab}CAT FACE\$"
printed_line "^([0-9]* matches for 'cat face')\$"
run "$demos/charfinder" black chess king
printed_line "^U+265A ${tab}♚${tab}BLACK CHESS KING\$"
run "$demos/charfinder" Registered
printed "U+00AE ${tab}®${tab}REGISTERED SIGN
(1 match for 'Registered')"
run "$demos/charfinder" nosuch "o'clock"
ended_with 0
printed "(No match for \"nosuch o'clock\")"
run "$demos/charfinder" --start 1 --stop 3 black chess
ended_with 0
[ "$(wc -l <"$scratch/out")" -eq 3 ] || fault_of_run 'no page of two rows'
printed_line "^U+265B .*BLACK CHESS QUEEN\$"
run "$demos/charfinder" --help
ended_with 0
printed_line '^usage: '
run "$demos/charfinder"
ended_with 2
complained_in_one_line
for bad in --nosuch --start=x --stop=-1 "$(printf '\377')"; do
    run "$demos/charfinder" "$bad" x
    ended_with 2
    complained '^usage: '
done

# ---- the index file ----

# Looks for what is always there; the file is then a whole index again, unless
# it cannot be written.
finds_all_the_same()
{
    run "$demos/charfinder" registered
    ended_with 0
    complained_of_nothing
    printed_line "^(1 match for 'registered')\$"
}

cp "$scratch/index" "$scratch/good"
before=$(stat -c %i "$scratch/index")
finds_all_the_same
[ "$(stat -c %i "$scratch/index")" = "$before" ] ||
    fault 'a valid index was built again'
spoil()
{
    case $1 in
    torn) head -c 500000 "$scratch/good" ;;
    longer) cat "$scratch/good"; echo ;;
    foreign) head -c 300000 "$demos/charfinder" ;;
    changed) head -c 900000 "$scratch/good"
        tail -c +900001 "$scratch/good" | tr 'A-Z\0' 'B-ZA\1' ;;
    old) head -c 28 "$scratch/good"
        printf '\014'
        tail -c +30 "$scratch/good" ;;
    empty) ;;
    esac >"$scratch/index"
}
for how in torn longer foreign changed old empty; do
    spoil $how
    finds_all_the_same
    cmp -s "$scratch/index" "$scratch/good" ||
        fault "$how index: not built again"
done
rm "$scratch/index"
mkfifo "$scratch/index"
finds_all_the_same
rm -f "$scratch/index"
mkdir "$scratch/index"
finds_all_the_same
rmdir "$scratch/index"
CHARFINDER_INDEX=$scratch/no/such/folder finds_all_the_same
[ -z "$(find "$scratch" -name 'index.*')" ] || fault 'a temporary file is left'
(
    unset CHARFINDER_INDEX XDG_CACHE_HOME
    HOME=$scratch/home
    export HOME
    mkdir "$HOME"
    "$demos/charfinder" registered >/dev/null
    [ -f "$HOME/.cache/charfinder.index" ]
) || fault 'no index in the cache folder at home'
finds_all_the_same

# ---- Python ----

cat >"$scratch/compare.py" <<'PYTHON'
import re, subprocess, sys, unicodedata

program, index_file = sys.argv[1:]
icu = tuple(open(index_file, 'rb').read(32)[28:31])
python = tuple(map(int, unicodedata.unidata_version.split('.')))
if python > icu:
    print('skipped: Python knows a later Unicode,', python, icu)
    sys.exit()

CJK = re.compile('^(CJK (?:UNIFIED|COMPATIBILITY) IDEOGRAPH)-.*')
index = {}
for code in range(32, sys.maxunicode + 1):
    name = unicodedata.name(chr(code), '')
    for word in re.findall(r'\w+', CJK.sub(r'\1', name)):
        index.setdefault(word, set()).add(code)

def expected(query):
    words = re.findall(r'\w+', query.upper())
    codes = set.intersection(*(index.get(word, set()) for word in words))
    return ['%-7s\t%s\t%s' % ('U+%04X' % code, chr(code),
            unicodedata.name(chr(code))) for code in sorted(codes)]

def printed(query):
    out = subprocess.run([program, query], stdout=subprocess.PIPE, check=True)
    rows = out.stdout.decode().split('\n')
    assert rows[-2].endswith(' for %r)' % query), rows[-2]
    return [row for row in rows[:-2]
            if unicodedata.name(chr(int(row[2:7], 16)), '')]

QUERIES = '''cjk|hangul syllable|letter|sign|symbol|cat face|chess|black|4e00|
    compatibility ideograph|1b170|character|khitan small script|for-with|
    latin small letter a|combining|digit|arrow|cuneiform|no such|face_x|
    egyptian hieroglyph|o'clock|"quoted"|\u0131deograph'''
bad = [q for q in (query.strip() for query in QUERIES.split('|'))
       if printed(q) != expected(q)]
print('differs from Python:', bad) if bad else None
sys.exit(bool(bad))
PYTHON
if python3 -c 'import unicodedata' 2>/dev/null; then
    run env PYTHONIOENCODING=utf-8 python3 "$scratch/compare.py" \
        "$demos/charfinder" "$scratch/index"
    ended_with 0
    cat "$scratch/out"
else
    echo 'no python3 to compare with'
fi

# ---- the servers ----

# Wait until the file has a line that matches.
wait_for()
{
    n=0
    until grep -aq -- "$2" "$1" 2>/dev/null; do
        n=$((n + 1))
        [ $n -lt 1200 ] || { fault "$server: never: $2"; break; }
        sleep 0.05
    done
}

# Start a server; sets $server_pid and $port.
start()
{
    : >"$scratch/log"
    "$demos/$server" 127.0.0.1 0 >"$scratch/log" 2>"$scratch/server_err" &
    server_pid=$!
    wait_for "$scratch/log" '^Serving on '
    port=$(sed -n "s/^Serving on ('127.0.0.1', \([0-9]*\)). Hit CTRL-C to stop.\$/\1/p" \
        "$scratch/log")
}

# $1 is the signal
stop()
{
    kill -"$1" "$server_pid"
    wait "$server_pid" || fault "$server: status $? after SIG$1"
    [ "$(grep -c '^Server shutting down.$' "$scratch/log")" -eq 1 ] ||
        fault "$server: does not say that it ends"
    [ ! -s "$scratch/server_err" ] || fault "$(cat "$scratch/server_err")"
}

sessions_over()
{
    grep -c '^Close the client socket$' "$scratch/log" || :
}

# Wait until so many sessions are over.
wait_for_end()
{
    n=0
    until [ "$(sessions_over)" -ge "$1" ]; do
        n=$((n + 1))
        [ $n -lt 1200 ] || { fault "$server: a session does not end"; break; }
        sleep 0.05
    done
}

# The log from line $1 on, without the clients' ports.
logged()
{
    tail -n "+$1" "$scratch/log" | sed "s/', [0-9]*): /', PORT): /"
}

talk_to_nc()
{
    printf 'registered\r\n\r\nnosuch\nlast line'
}

check_nc()
{
    talk_to_nc | timeout -k 5 "$patience" nc -N 127.0.0.1 "$port" \
        >"$scratch/heard"
    printf "?> U+00AE \t®\tREGISTERED SIGN\r\n1 match for 'registered'\r\n" \
        >"$scratch/expected"
    printf "?> ?> No match for 'nosuch'\r\n" >>"$scratch/expected"
    printf "?> No match for 'last line'\r\n?> " >>"$scratch/expected"
    cmp "$scratch/heard" "$scratch/expected" || fault "$server: answers of nc"
    wait_for_end 1
    [ "$(logged 2)" = "Received from ('127.0.0.1', PORT): 'registered'
Sent 1 results
Received from ('127.0.0.1', PORT): ''
Received from ('127.0.0.1', PORT): 'nosuch'
Sent 0 results
Received from ('127.0.0.1', PORT): 'last line'
Sent 0 results
Close the client socket" ] || fault "$server: log: $(cat "$scratch/log")"
}

# A control character, and what is not UTF-8: the server ends the session,
# though the client has not ended its side.
check_farewells()
{
    for farewell in '\003\n' '\004\r\n' 'a\033b\n' '\000\n' 'caf\351\n' \
        '\377\364\377\375\006\n'; do
        mkfifo "$scratch/in"
        timeout -k 5 "$patience" nc 127.0.0.1 "$port" <"$scratch/in" \
            >"$scratch/heard" &
        nc_pid=$!
        exec 3>"$scratch/in"
        n_over=$(sessions_over)
        # shellcheck disable=SC2059 # an escape is what it is
        printf "$farewell" >&3
        wait_for_end $((n_over + 1))
        exec 3>&- # nc waits for that, too
        wait "$nc_pid" || fault "$server: nc has status $? after $farewell"
        rm "$scratch/in"
        [ "$(cat "$scratch/heard")" = '?> ' ] ||
            fault "$server: $farewell: $(cat "$scratch/heard")"
    done
}

check_telnet()
{
    mkfifo "$scratch/in"
    timeout -k 5 "$patience" telnet 127.0.0.1 "$port" <"$scratch/in" \
        >"$scratch/heard" 2>&1 &
    telnet_pid=$!
    exec 3>"$scratch/in"
    wait_for "$scratch/heard" '^?> '
    echo 'cat face' >&3
    wait_for "$scratch/heard" "matches for 'cat face'"
    n_over=$(sessions_over)
    printf '\004\n' >&3
    wait_for_end $((n_over + 1))
    exec 3>&-
    wait "$telnet_pid" || :
    rm "$scratch/in"
    for line in "U+1F431${tab}🐱${tab}CAT FACE" \
        'Connection closed by foreign host'; do
        grep -q "$line" "$scratch/heard" ||
            fault "$server: telnet: $(cat "$scratch/heard")"
    done
}

resident_kb()
{
    sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$server_pid/status"
}

now_ms()
{
    echo $(($(date +%s%N) / 1000000))
}

# Sets $slowest: of twenty small requests, the longest time in milliseconds.
time_others()
{
    slowest=0
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        begun=$(now_ms)
        echo registered | timeout -k 5 "$patience" nc -N 127.0.0.1 "$port" \
            >"$scratch/heard"
        took=$(($(now_ms) - begun))
        [ $took -le $slowest ] || slowest=$took
        grep -q 'REGISTERED SIGN' "$scratch/heard" ||
            fault "$server: no answer beside a slow client"
    done
}

# A client asks eight times for all ideographs, 32 MB, and nobody reads what its
# nc writes.
check_slow_client()
{
    echo cjk | nc -N 127.0.0.1 "$port" >"$scratch/heard" # warm
    mkfifo "$scratch/in" "$scratch/slow"
    exec 4<>"$scratch/slow"
    before=$(resident_kb)
    timeout -k 5 "$patience" nc -N 127.0.0.1 "$port" \
        <"$scratch/in" >"$scratch/slow" 4<&- &
    slow_pid=$!
    yes cjk | head -n 8 >"$scratch/in"
    n_sent=$(grep -c '^Sent [0-9]\{5\}' "$scratch/log")
    time_others
    [ "$(grep -c '^Sent [0-9]\{5\}' "$scratch/log")" -le $((n_sent + 2)) ] ||
        fault "$server: the slow client was not slow"
    grew=$(($(resident_kb) - before))
    echo "$server: beside a slow client others wait $slowest ms at most;" \
        "it grew by $grew KB"
    [ "$slowest" -lt 1000 ] || fault "$server: others wait $slowest ms"
    [ $grew -lt $most_kb ] || fault "$server: grew by $grew KB"
    # It goes on, and gets every row.
    exec 5<"$scratch/slow"
    cat <&5 >"$scratch/rows" 4<&- &
    exec 4<&- 5<&-
    wait $! || fault "$server: cat has status $?"
    wait $slow_pid || fault "$server: the slow nc has status $?"
    [ "$(grep -c 'CJK' "$scratch/rows")" -eq \
        "$((8 * $(grep -c 'CJK' "$scratch/heard_all")))" ] ||
        fault "$server: not every row"
    rm "$scratch/in" "$scratch/slow"
}

for tool in nc telnet; do
    command -v $tool >/dev/null || {
        echo "no $tool: the servers are not tried"
        finish
    }
done
# A sanitizer keeps what was freed.
most_kb=1024
! grep -q __asan_init "$demos/tcp_charfinder" || most_kb=16384
"$demos/charfinder" cjk >"$scratch/heard_all"
for server in tcp_charfinder tcp_charfinder_task; do
    start
    check_nc
    check_farewells
    check_telnet
    stop INT
    start
    check_slow_client
    stop TERM

    run "$demos/$server" --help
    ended_with 0
    printed_line '^usage: '
    for bad in '127.0.0.1 x' '127.0.0.1 70000' '127.0.0.1 -1' 'a b c' --nosuch
    do
        # shellcheck disable=SC2086 # words
        run "$demos/$server" $bad
        ended_with 2
    done
    run "$demos/$server" 999.0.0.1 0
    ended_with 1
    complained_in_one_line
done
finish
