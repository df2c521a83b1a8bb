#!/bin/sh
# The progress bar of the flag downloaders: there on a terminal, within its
# width; not there in a pipe or with -v.

. "$(dirname "$0")/flags_common.sh"

need_terminal
make_site
start_flagserver --delay 0.05
cr=$(printf '\r')

# The longest line as a terminal shows it, without the erasing sequences.
longest()
{
    tr '\r' '\n' <"$scratch/out" | sed "s/$(printf '\033')\\[K//g" |
        awk '{ if (length($0) > n) n = length($0) } END { print n }'
}

for program in flags2_sequential flags2_threadpool flags2_promises \
    flags2_executor flags3_callbacks flags3_promises flags3_tasks; do
    run "$top_builddir/t/demos/pty" 100 "$flags/$program" -s DELAY \
        -b "$delay_url" -d "$scratch/flags" A
    ended_with 0
    printed_line '\[\.*\]   0% 0/26  0:00  0\.0/s  ?:?? left'
    printed_line "\[#*\] 100% 26/26  0:0[0-9]  [0-9]*\.[0-9]/s  0:00 left$cr\$"
    printed_line "^--------------------$cr\$"
    printed_no_line 'OK'
    [ "$(grep -o 'left' "$scratch/out" | wc -l)" -ge 3 ] ||
        fault_of_run 'the bar does not move'

    for columns in 20 40 60 79; do
        run "$top_builddir/t/demos/pty" $columns "$flags/$program" -s DELAY \
            -b "$delay_url" -d "$scratch/flags" BR
        ended_with 0
        # The announcement may be longer; the bar is what is drawn after it.
        sed '1,3d' "$scratch/out" >"$scratch/bar"
        mv "$scratch/bar" "$scratch/out"
        [ "$(longest)" -lt $((columns > 24 ? columns : 24)) ] ||
            fault_of_run "wider than $columns columns"
    done

    run "$flags/$program" -b "$local_url" -d "$scratch/flags" A
    printed_no_line "$cr"
    printed_no_line '%'
    run "$top_builddir/t/demos/pty" 100 "$flags/$program" -v -b "$local_url" \
        -d "$scratch/flags" BR
    printed_line "^BR OK$cr\$"
    printed_no_line '%'
done
stop_flagserver

# Where there is a loop, the bar's clock goes on while nothing arrives.
start_flagserver --delay 2
for program in flags2_promises flags3_callbacks; do
    run "$top_builddir/t/demos/pty" 100 "$flags/$program" -s DELAY \
        -b "$delay_url" -d "$scratch/flags" BR
    ended_with 0
    printed_line '   0% 0/1  0:01  0\.0/s  ?:?? left'
done
stop_flagserver
finish
