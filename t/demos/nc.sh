#!/bin/sh
# The small netcat: bytes both ways over every kind of endpoint, half-closes, and
# what it says when it cannot.

. "$(dirname "$0")/common.sh"

nc=$top_builddir/demos/nc/nc

# Listen at $1, with $2 as input; sets $there and $listener_pid.
listen_at()
{
    rm -f "$scratch/fifo"
    mkfifo "$scratch/fifo"
    timeout -k 5 "$patience" "$nc" -l "$1" <"$2" >"$scratch/heard" \
        2>"$scratch/fifo" &
    listener_pid=$!
    read -r line <"$scratch/fifo"
    there=${line#listening on }
}

seq 1 300000 >"$scratch/much"
seq 300000 -1 1 >"$scratch/back"

for endpoint in tcp:127.0.0.1:0 "unix:$scratch/socket" unix:@vetch-nc-$$; do
    listen_at "$endpoint" "$scratch/back"
    ran="nc $there"
    timeout -k 5 "$patience" "$nc" "$there" <"$scratch/much" \
        >"$scratch/said" 2>"$scratch/err" || fault "$ran: status $?"
    wait "$listener_pid" || fault "nc -l $endpoint: status $?"
    cmp "$scratch/much" "$scratch/heard" || fault "$ran: sent otherwise"
    cmp "$scratch/back" "$scratch/said" || fault "$ran: received otherwise"
    complained_of_nothing
done

# The end of the input is not the end: the answer comes after it. Through pipes,
# since files are read by a thread.
listen_at tcp:127.0.0.1:0 /dev/null
# shellcheck disable=SC2002 # a pipe on purpose
cat "$scratch/much" | timeout -k 5 "$patience" "$nc" "$there" |
    cat >"$scratch/out"
wait "$listener_pid" || fault "nc -l: status $?"
cmp "$scratch/much" "$scratch/heard" || fault 'a pipe was sent otherwise'
[ ! -s "$scratch/out" ] || fault 'nothing was answered, but something came'

run "$nc" tcp:127.0.0.1:1
ended_with 1
complained '^nc: connect .*: connection refused'
run "$nc" tcp:nowhere
ended_with 1
complained_in_one_line
run "$nc" -l unix:/nonexistent/socket
ended_with 1
complained 'listen at unix:/nonexistent/socket: '
run "$nc" -l tcp:127.0.0.1:0,nonsense
ended_with 1
complained 'nonsense'
run "$nc"
ended_with 2
complained '^usage: '
finish
