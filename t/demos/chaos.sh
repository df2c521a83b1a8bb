#!/bin/sh
# The chaos proxy does to connections and requests what it was told to do, the
# same for the same seed, can be told otherwise while it runs, counts, and says
# what is wrong with its arguments.

. "$(dirname "$0")/common.sh"

chaos=$top_builddir/demos/chaos/chaosproxy
pids=
n_started=0
ran='tcp_say through the proxy'

stop_everything()
{
    # shellcheck disable=SC2086 # numbers
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || :
    rm -rf "$scratch"
}
trap stop_everything EXIT

# Start a program that says where it listens, into $said; sets $started and
# $port.
start()
{
    n_started=$((n_started + 1))
    said=$scratch/said$n_started
    : >"$said"
    "$@" >"$said" 2>"$scratch/server_err" &
    started=$!
    pids="$pids $started"
    wait_for_lines 1
    port=$(sed -n '1s/.*://p' "$said")
}

wait_for_lines()
{
    n=0
    until [ "$(wc -l <"$said")" -ge "$1" ]; do
        n=$((n + 1))
        [ $n -lt 600 ] || { cat "$scratch/server_err"; fault 'no start'; finish; }
        sleep 0.05
    done
}

# Start a proxy before $backend; sets $proxy, $proxy_port and $control.
start_proxy()
{
    start "$chaos" --listen tcp:127.0.0.1:0 --backend "tcp:127.0.0.1:$backend" \
        --control tcp:127.0.0.1:0 --seed 7 "$@"
    proxy=$started
    proxy_port=$port
    wait_for_lines 2
    control=$(sed -n '2s/.*://p' "$said")
}

# SIGTERM ends it, in good order; $said ends with its account.
stop_proxy()
{
    kill -TERM "$proxy"
    wait "$proxy" || fault "chaosproxy: status $? after SIGTERM"
    [ ! -s "$scratch/server_err" ] || fault "$(cat "$scratch/server_err")"
}

# What the server behind the proxy answers to standard input. The status goes
# into a file, since this may be the end of a pipe.
say()
{
    status=0
    timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" -e "$proxy_port" \
        >"$scratch/out" 2>"$scratch/err" || status=$?
    echo $status >"$scratch/status"
}

said_with()
{
    status=$(cat "$scratch/status")
    ended_with "$1"
}

# Send commands to the control socket; its lines are in $scratch/told.
tell()
{
    printf '%s\n' "$@" | timeout -k 5 "$patience" \
        "$top_builddir/t/demos/tcp_say" -e "$control" >"$scratch/told"
}

told()
{
    grep -qx -- "$1" "$scratch/told" ||
        fault "control: not \"$1\": $(cat "$scratch/told")"
}

now_ms()
{
    echo $(($(date +%s%N) / 1000000))
}

# What began at $begun took from $1 to $2 milliseconds.
took()
{
    ms=$(($(now_ms) - begun))
    echo "$3: $ms ms"
    { [ $ms -ge "$1" ] && [ $ms -le "$2" ]; } ||
        fault "$3: $ms ms, not $1 to $2"
}

# ---- bytes ----

start "$top_builddir/demos/echo/echo_protocol" tcp:127.0.0.1:0
backend=$port
start_proxy

seq 1 30000 >"$scratch/lines"
say <"$scratch/lines"
said_with 0
cmp -s "$scratch/lines" "$scratch/out" || fault 'what went through is different'

tell 'set delay 100:0.3'
begun=$(now_ms)
echo hi | say
printed hi
took 300 3000 'delayed by 300 ms'

tell 'set delay 0' 'set jitter 100:0.5'
begun=$(now_ms)
for _ in 1 2 3 4 5 6; do
    echo hi | say
    printed hi
done
took 300 4500 'six times jitter of up to 500 ms'

tell 'set jitter 0' 'set duplicate 100'
echo hi | say
printed 'hi
hi'

tell 'set duplicate 0' 'set truncate 100:5'
echo 'hello world' | say
said_with 0
printed hello

tell 'set truncate 0' 'set bandwidth 100:4000'
head -c 2000 "$scratch/lines" >"$scratch/some"
begun=$(now_ms)
say <"$scratch/some"
cmp -s "$scratch/some" "$scratch/out" || fault 'what went slowly is different'
took 400 4000 '2000 bytes at 4000 a second'

tell 'set bandwidth 0' 'set garbage 100' 'set seed 3'
echo hi | say
said_with 0
cp "$scratch/out" "$scratch/noise"
[ "$(wc -c <"$scratch/noise")" -eq 256 ] || fault_of_run 'no noise'
tell 'set seed 3'
echo hi | say
cmp -s "$scratch/noise" "$scratch/out" || fault 'the noise does not repeat'

tell 'set garbage 0' 'set reset 100'
echo hi | say
said_with 1
complained 'reset by peer'

tell 'set reset 0' 'set hang 100:0.3'
begun=$(now_ms)
echo hi | say
said_with 1
took 300 3000 'hung for 300 ms'

tell 'set hang 0' 'set blackhole 100'
say <"$scratch/lines"
said_with 0
printed ''

# ---- chance repeats ----

# Sets $pattern: which of forty connections were reset.
see_pattern()
{
    pattern=
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        for _ in 1 2; do
            echo x | say
            pattern=$pattern$(cat "$scratch/status")
        done
    done
}

tell 'set blackhole 0' 'set reset 30' 'set seed 7' stats
struck=$(sed -n 's/^reset //p' "$scratch/told")
see_pattern
first=$pattern
n_reset=$(printf '%s' "$first" | tr -d 0 | wc -c)
{ [ "$n_reset" -gt 4 ] && [ "$n_reset" -lt 24 ]; } ||
    fault "30 % of 40 is not $n_reset"
tell stats
told "reset $((struck + n_reset))"
told 'units 40'
tell 'set seed 7'
see_pattern
[ "$pattern" = "$first" ] || fault "the same seed, but $pattern after $first"
stop_proxy
grep -qx 'units 40' "$said" || fault 'no last account'
start_proxy --reset 30
see_pattern
[ "$pattern" = "$first" ] || fault "another process: $pattern after $first"

# ---- the control socket ----

tell 'set reset 0' show
told 'seed 7'
told 'reset 0'
told 'delay 0:0.5'
told ok
for bad in 'set nosuch 5' 'set delay x' 'set delay 101' 'set delay 5:-1' \
    'set reset 5:1' 'set status 5' 'set seed x' 'set delay' 'show all' nosuch \
    '' 'set delay 5 6'; do
    tell "$bad"
    grep -q '^error: ' "$scratch/told" || fault "control: takes \"$bad\""
    [ "$(wc -l <"$scratch/told")" -eq 1 ] || fault "control: \"$bad\": not a line"
done
tell show
told 'delay 0:0.5'

# A connection that hangs does not keep it from ending.
tell 'set hang 100:3600'
echo hi | timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" -e \
    "$proxy_port" >"$scratch/hung" 2>&1 &
hung=$!
n=0
until { tell stats; grep -q '^hang 1$' "$scratch/told"; }; do
    n=$((n + 1))
    [ $n -lt 600 ] || { fault 'nothing hangs'; break; }
    sleep 0.05
done
begun=$(now_ms)
stop_proxy
took 0 5000 'ending with a connection that hangs'
wait $hung || :

# ---- a control socket of its own kind, and a backend that is not there ----

if command -v nc >/dev/null; then
    start "$chaos" --listen tcp:127.0.0.1:0 --backend tcp:127.0.0.1:1 \
        --control "unix:$scratch/control"
    proxy=$started
    proxy_port=$port
    wait_for_lines 2
    echo show | timeout -k 5 "$patience" nc -N -U "$scratch/control" \
        >"$scratch/told"
    told ok
    echo hi | say
    said_with 1
    kill -TERM "$proxy"
    wait "$proxy" || fault "chaosproxy: status $? after SIGTERM"
    [ "$(grep -c 'refused' "$scratch/server_err")" -eq 1 ] ||
        fault "a backend that is not there: $(cat "$scratch/server_err")"
    [ ! -e "$scratch/control" ] || fault 'the control socket is left'
fi

# ---- requests ----

start "$top_builddir/demos/http/echo_server" tcp:127.0.0.1:0
backend=$port
start_proxy --protocol http

# $1 requests on one connection
requests()
{
    n=0
    while [ $n -lt "$1" ]; do
        printf 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
        n=$((n + 1))
    done
}

requests 20 | say
said_with 0
[ "$(grep -c '^HTTP/1.1 200 OK' "$scratch/out")" -eq 1 ] ||
    fault_of_run 'the first response is not there'
[ "$(grep -o 'HTTP/1.1 200 OK' "$scratch/out" | wc -l)" -eq 20 ] ||
    fault_of_run 'not twenty responses'
tell stats
told 'requests 20'
told 'connections 1'

{
    printf 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    printf '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'
    requests 1
} | say
[ "$(grep -o 'hello' "$scratch/out" | wc -l)" -eq 2 ] ||
    fault_of_run 'a chunked request is not passed on'
printed_line 'hello world'

tell 'set status 40:502' 'set seed 7'
n_bad=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    requests 1 | say
    ! grep -q '^HTTP/1.1 502 ' "$scratch/out" || n_bad=$((n_bad + 1))
done
tell stats
told "status $n_bad"
{ [ $n_bad -gt 2 ] && [ $n_bad -lt 16 ]; } || fault "40 % of 20 is not $n_bad"

# Per request, not per connection.
tell 'set status 0' 'set delay 50:0.01' 'set seed 7'
requests 20 | say
tell stats
n_late=$(sed -n 's/^delay //p' "$scratch/told")
{ [ "$n_late" -gt 3 ] && [ "$n_late" -lt 17 ]; } ||
    fault "50 % of 20 is not $n_late"

tell 'set delay 0' 'set truncate 100:30'
requests 2 | say
[ "$(wc -c <"$scratch/out")" -eq 30 ] || fault_of_run 'not cut at 30 bytes'
tell 'set truncate 0' 'set garbage 100'
requests 1 | say
[ "$(wc -c <"$scratch/out")" -eq 256 ] || fault_of_run 'no noise'
tell 'set garbage 0' 'set reset 100'
requests 1 | say
said_with 1
tell 'set reset 0'
printf 'nonsense\r\n\r\n' | say
said_with 0
printed ''
stop_proxy

# ---- in place of the flag servers ----

site=$scratch/site
mkdir -p "$site/flags/br" "$site/flags/cn"
for cc in br cn; do
    printf 'GIF89a flag of %s' $cc >"$site/flags/$cc/$cc.gif"
done
start "$top_builddir/demos/flags/flagserver" --site "$site" --port 0 \
    --delay-port 0 --error-port 0
port=$(sed -n '1s,.*:\([0-9]*\)/flags$,\1,p' "$said")
flags=tcp:127.0.0.1:$port
for kind in delay error_delay; do
    start sh "$top_srcdir/demos/flags/chaos_$kind" "$top_builddir" \
        --listen tcp:127.0.0.1:0 --backend "$flags" --seed 1
    begun=$(now_ms)
    run "$top_builddir/demos/flags/flags2_sequential" --verbose --dest "$scratch" \
        --base-url "http://127.0.0.1:$port/flags" BR CN
    case $kind in
    delay) took 1000 9000 'two flags, each late'
        printed_line '^2 flags downloaded' ;;
    esac
    kill -TERM "$started"
    wait "$started" || fault "chaos_$kind: status $?"
    start sh "$top_srcdir/demos/flags/chaos_$kind" "$top_builddir" \
        --listen tcp:127.0.0.1:0 --backend "$flags" --delay 0 --status 100:503
    run "$top_builddir/demos/flags/flags2_sequential" --verbose --dest "$scratch" \
        --base-url "http://127.0.0.1:$port/flags" BR CN
    printed_line '^2 errors'
    kill -TERM "$started"
    wait "$started" || fault "chaos_$kind: status $?"
done

# ---- arguments ----

run "$chaos" --help
ended_with 0
for name in delay jitter reset garbage status hang blackhole truncate duplicate \
    bandwidth; do
    printed_line "^  --$name PERCENT"
done
both='--listen tcp:127.0.0.1:0 --backend tcp:127.0.0.1:1'
for bad in '' '--listen tcp:127.0.0.1:0' '--backend tcp:127.0.0.1:1' \
    "$both --protocol udp" "$both --seed x" "$both --delay x" \
    "$both --delay 101" "$both --reset 5:1" "$both --status 5" "$both more" \
    "$both --nosuch" "$both --delay"; do
    # shellcheck disable=SC2086 # words
    run "$chaos" $bad
    ended_with 2
    complained_in_one_line
done
for bad in '--listen tcp:nowhere --backend tcp:127.0.0.1:1' \
    "$both --control tcp:nowhere"; do
    # shellcheck disable=SC2086 # words
    run "$chaos" $bad
    ended_with 1
    complained_in_one_line
done
finish
