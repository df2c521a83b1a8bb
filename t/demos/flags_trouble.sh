#!/bin/sh
# The flag downloaders in trouble: a server that fails at random, one that is
# killed in the middle, a user who has seen enough. The account always adds
# up, and what was saved is whole.

. "$(dirname "$0")/flags_common.sh"

make_site
programs='flags2_sequential flags2_threadpool flags2_promises flags2_executor
    flags3_callbacks flags3_promises flags3_tasks'

# Every file in $1 is one of the site's.
all_whole()
{
    for file in "$1"/*.gif; do
        [ -e "$file" ] || continue
        cc=${file%.gif}
        cc=$(printf '%s' "$cc" | tail -c 2 | tr A-Z a-z)
        cmp -s "$file" "$site/flags/$cc/$cc.gif" ||
            fault_of_run "${file##*/} is torn"
    done
}

# ---- the ERROR server ----

for seed in 7 8; do
    start_flagserver --seed $seed --delay 0.01
    for program in $programs; do
        dir=$scratch/error.$seed.$program
        run "$flags/$program" -a -l 100 -s ERROR -b "$error_url" -d "$dir" \
            -t 20
        ended_with 1
        adds_up 100 "$dir"
        [ "$errors" -ge 5 ] && [ "$ok" -ge 5 ] ||
            fault_of_run "$ok are ok, and $errors are errors"
        all_whole "$dir"
        # The same trouble for everybody who asks for the same files.
        account=$scratch/account.$seed.${program%_*}
        [ -e "$account" ] || echo "$ok $not_found $errors" >"$account"
        [ "$ok $not_found $errors" = "$(cat "$account")" ] ||
            fault_of_run "others counted $(cat "$account")"
    done
    stop_flagserver
done

# ---- the server is killed in the middle ----

for program in $programs; do
    start_flagserver --delay 0.02
    dir=$scratch/killed.$program
    # Three lines are the announcement.
    run "$top_builddir/t/demos/signal_after" 8 9 "$server_pid" \
        "$flags/$program" -v -a -m 4 -s DELAY -b "$delay_url" -d "$dir" -t 20
    ended_with 1
    adds_up 194 "$dir"
    [ "$ok" -ge 1 ] && [ "$errors" -ge 100 ] ||
        fault_of_run "$ok are ok, and $errors are errors"
    all_whole "$dir"
    kill_server
done

# ---- nobody reads the output, or it cannot be written ----

start_flagserver
mkfifo "$scratch/unread"
for program in $programs; do
    dir=$scratch/unread.$program
    run sh -c "exec 8<>'$scratch/unread' 9>'$scratch/unread' 8<&-
        exec '$flags/$program' -v -a -b '$local_url' -d '$dir' >&9 9>&-"
    ended_with 1
    complained_in_one_line
    complained "^$program: the output could not be written\$"
    all_whole "$dir"
    [ "$(find "$dir" -type f | wc -l)" -eq 193 ] ||
        fault_of_run 'stopped when its reader was gone'
    [ -c /dev/full ] || continue
    run sh -c "'$flags/$program' -a -b '$local_url' -d '$dir' >/dev/full"
    ended_with 1
    complained_in_one_line
done
stop_flagserver

# ---- Ctrl-C ----

start_flagserver --delay 0.02
for program in $programs; do
    for signum in 2 15; do
        dir=$scratch/interrupted.$signum.$program
        run "$top_builddir/t/demos/signal_after" 8 $signum 0 \
            "$flags/$program" -v -a -m 4 -s DELAY -b "$delay_url" -d "$dir"
        ended_with $((128 + signum))
        adds_up 194 "$dir"
        [ "$ok" -ge 1 ] && [ "$cancelled" -ge 100 ] && [ "$errors" -eq 0 ] ||
            fault_of_run "$ok ok, $errors errors, $cancelled cancelled"
        all_whole "$dir"
    done
done
stop_flagserver

# At once, whatever it waits for.
start_flagserver --delay 600
for program in $programs; do
    patience=20
    run "$top_builddir/t/demos/signal_after" 3 2 0 \
        "$flags/$program" -v -a -m 100 -t 900 -s DELAY -b "$delay_url" \
        -d "$scratch/waiting"
    ended_with 130
    adds_up 194 "$scratch/waiting"
    [ "$cancelled" -eq 194 ] || fault_of_run 'not all cancelled'
done
# Waits until there are $1 connections to the DELAY server, as clients see it.
wait_for_connections()
{
    port=$(printf ':%04X 01' "$(echo "$delay_url" | tr -cd '0-9:' |
        sed 's/.*://')")
    tries=0
    until [ "$(grep -c "$port" /proc/net/tcp)" -ge "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] || { fault "no $1 connections"; finish; }
        sleep 0.05
    done
}

mkdir -p "$scratch/first"
for style in sequential:1 threadpool:20 promises:20; do
    # It prints nothing until the first flag is there.
    cd "$scratch/first"
    "$flags/flags_${style%:*}" "$delay_url" >"$scratch/out" \
        2>"$scratch/err" &
    client=$!
    cd - >/dev/null
    wait_for_connections "${style#*:}"
    kill -INT $client
    status=0
    wait $client || status=$?
    ran="flags_$style"
    ended_with 130
    printed_line '^0 flags downloaded in '
done

# The server, too, stops in time with requests in hand, and counts them.
"$flags/flags2_promises" -t 900 -m 20 -b "$delay_url" -d "$scratch/cut" \
    >/dev/null 2>&1 &
client=$!
wait_for_connections 20
run "$flags/flags2_promises" -t 0.5 -b "$delay_url" -d "$scratch/cut" BR
ended_with 1
stop_flagserver
wait $client || :
grep -q '^DELAY stopped: [0-9]* requests ended, 20 cancelled, ' \
    "$scratch/server.out" || {
    fault 'the server did not count the requests that it cut'
    sed 's/^/    server: /' "$scratch/server.out"
}
finish
