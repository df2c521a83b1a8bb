#!/bin/sh
# The chat server: what its commands answer, what it refuses, a thousand clients
# of whom one does not read, and the farewell.

. "$(dirname "$0")/common.sh"

crowd=1000
case ${VETCH_UNDER-} in ?*) crowd=50 ;; esac

mkfifo "$scratch/fifo"
# shellcheck disable=SC2086 # a program and its options, or nothing
${VETCH_UNDER-} "$top_builddir/demos/chat/chat" tcp:127.0.0.1:0 \
    >"$scratch/fifo" 2>"$scratch/server_err" &
server_pid=$!
read -r line <"$scratch/fifo"
port=${line##*:}

# Say these lines and leave; what came back is in $scratch/out.
talk()
{
    ran="said: $1"
    status=0
    # shellcheck disable=SC2059 # a format on purpose
    printf "$1" | timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" -e \
        "$port" >"$scratch/out" 2>"$scratch/err" || status=$?
    ended_with 0
}

talk '/who\r\n/list\n\nhello\n'
printed '* you are guest1, in lobby with 0 others
* guest1
* lobby: 1
* goodbye'
talk '/nick ann\n/join den\n/who\n/list\n/leave\n/quit\n/who\n'
printed '* you are guest2, in lobby with 0 others
* you are ann now
* you are ann, in den with 0 others
* ann
* den: 1
* you are ann, in lobby with 0 others
* goodbye'
talk '/nick\n/nick a b\n/nick guest1\n/nick 123456789012345678901\n/dance\n'
printed_line 'guest1 is taken'
printed_line '/dance? try /help'
[ "$(grep -c 'a name has 1 to 20' "$scratch/out")" -eq 3 ] ||
    fault_of_run 'took a name that is none'
talk '/help\n'
for word in /nick /join /leave /list /who /quit; do
    printed_line "$word"
done

# What might do harm to a terminal is not passed on.
talk 'na\303\257ve\t\342\202\254\n'
printed_no_line 'no text'
for bad in '\033[2J' '\377\375\001' 'a\001b' '\302\205' '\300\257' 'a\000b' \
    '\355\240\200' '\303'; do
    talk "$bad\\n"
    printed_line 'that is no text'
done
talk "$(printf '%513s' x)\\nmore\\n"
printed_line 'a line has at most 512 bytes'
talk "$(printf '%512s' x)\\r\\n"
printed_no_line 'at most'

timeout -k 5 "$patience" "$top_builddir/t/demos/chat_crowd" "$port" $crowd 20 3 \
    >"$scratch/crowd" 2>&1 &
crowd_pid=$!
n=0
until grep -q ready "$scratch/crowd" || ! kill -0 "$crowd_pid"; do
    n=$((n + 1))
    [ $n -lt 1200 ] || { fault 'the crowd takes too long'; break; }
    sleep 0.1
done
kill -TERM "$server_pid"
wait "$crowd_pid" || fault "the crowd: status $?"
[ "$(cat "$scratch/crowd")" = 'missed some
ready
farewell' ] || fault "the crowd: $(cat "$scratch/crowd")"
wait "$server_pid" || fault "status $? after SIGTERM"
[ ! -s "$scratch/server_err" ] || fault "$(cat "$scratch/server_err")"

run "$top_builddir/demos/chat/chat" tcp:nowhere
ended_with 1
complained 'tcp:nowhere: '
run "$top_builddir/demos/chat/chat" a b
ended_with 2
complained '^usage: '
finish
