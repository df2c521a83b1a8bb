#!/bin/sh
# echo_server answers whatever the parser knows, and stops when it is told to.

. "$(dirname "$0")/common.sh"

server=$top_builddir/demos/http/echo_server
mkfifo "$scratch/fifo"
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid"; rm -rf "$scratch"' EXIT

# Starts the server; its port is in $port.
start()
{
    "$server" tcp:127.0.0.1:0 >"$scratch/fifo" 2>"$scratch/server_err" &
    pid=$!
    exec 3<"$scratch/fifo"
    read -r line <&3 || :
    port=${line#listening on tcp:127.0.0.1:}
    [ "$port" != "$line" ] || { fault "the server says '$line'"; finish; }
}

# Sends the server a signal; it has to end well.
stop()
{
    kill -"$1" $pid
    status=0
    wait $pid || status=$?
    pid=
    [ $status -eq 0 ] || fault "SIG$1: status $status"
    read -r line <&3 || :
    exec 3<&-
    [ "$line" = 'stopped: 0 requests ended, 0 cancelled, 0 connections cut' ] ||
        fault "SIG$1: it says '$line'"
}

# Sends a request; what comes back is in $scratch/out.
say()
{
    printf "$1" >"$scratch/request"
    status=0
    timeout -k 5 "$patience" "$top_builddir/t/demos/tcp_say" "$port" \
        <"$scratch/request" >"$scratch/out" 2>"$scratch/err" || status=$?
    tr -d '\r' <"$scratch/out" >"$scratch/plain"
    mv "$scratch/plain" "$scratch/out"
    ran="request $1"
    ended_with 0
}

host='Host: a\r\nConnection: close\r\n'

start
# All that the parser knows, but for the two below: they are answered otherwise.
for method in GET POST PUT DELETE OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND \
    PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT \
    MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK \
    UNLINK SOURCE; do
    say "$method /any/path?x HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello"
    printed_line '^HTTP/1.1 200 OK$'
    printed_line '^hello$'
done
say "HEAD / HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello"
printed_line '^HTTP/1.1 200 OK$'
printed_line '^Content-Length: 5$'
say 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'
printed_line '^HTTP/1.1 200 OK$'
say "POST / HTTP/1.1\r\n${host}Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
printed_line '^Content-Type: a/b$'
printed_line '^Content-Length: 5$'
printed_line '^hello$'
say "OPTIONS * HTTP/1.1\r\n$host\r\n"
printed_line '^HTTP/1.1 200 OK$'
say 'GET / HTTP/1.0\r\n\r\n'
printed_line '^HTTP/1.1 200 OK$'
say "BREW / HTTP/1.1\r\n$host\r\n"
printed_line '^HTTP/1.1 501 Not Implemented$'
say "POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
printed_line '^HTTP/1.1 400 Bad Request$'
say "POST / HTTP/1.1\r\n${host}Content-Length: 1048577\r\n\r\n"
printed_line '^HTTP/1.1 413 Content Too Large$'
stop TERM

start
stop INT

run "$server" nonsense
ended_with 1
complained '^echo_server: nonsense: '
[ "$(wc -l <"$scratch/err")" -eq 1 ] || fault_of_run 'more than one line'
run "$server" tcp:127.0.0.1:0 more
ended_with 2
complained '^usage: '

finish 'methods, refusals, both signals, bad arguments'
