#!/bin/sh
# The echo servers send back what they get, to many at once, say what is wrong
# with an endpoint, and stop on a signal.

. "$(dirname "$0")/common.sh"

# Start a server; sets $server_pid and $port.
start()
{
    mkfifo "$scratch/fifo"
    "$top_builddir/demos/echo/$1" tcp:127.0.0.1:0 >"$scratch/fifo" \
        2>"$scratch/server_err" &
    server_pid=$!
    read -r line <"$scratch/fifo"
    rm "$scratch/fifo"
    port=${line##*:}
}

for kind in promises protocol task; do
    start echo_$kind
    seq 1 20000 >"$scratch/lines"
    for i in 1 2 3; do
        timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" -e "$port" \
            <"$scratch/lines" >"$scratch/back$i" &
    done
    ran="echo_$kind, three clients"
    printf 'no end of line' |
        timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" -e "$port" \
            >"$scratch/out"
    printed 'no end of line'
    for i in 1 2 3; do
        n=0
        until cmp -s "$scratch/lines" "$scratch/back$i"; do
            n=$((n + 1))
            [ $n -lt 600 ] || { fault "$ran: $i"; break; }
            sleep 0.1
        done
    done
    kill -TERM "$server_pid"
    wait "$server_pid" || fault "echo_$kind: status $? after SIGTERM"
    [ ! -s "$scratch/server_err" ] || fault "$(cat "$scratch/server_err")"

    run "$top_builddir/demos/echo/echo_$kind" tcp:nowhere
    ended_with 1
    complained 'tcp:nowhere: '
    run "$top_builddir/demos/echo/echo_$kind" a b
    ended_with 2
    complained '^usage: '
done
finish
