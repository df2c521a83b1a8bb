#!/bin/sh
# The spinners animate on a terminal, wipe the line before the answer, and
# draw nothing into a pipe.

. "$(dirname "$0")/common.sh"

need_terminal
cr=$(printf '\r')

for kind in thread promises task; do
    program=$top_builddir/demos/spinner/spinner_$kind
    object=${kind%s}

    run "$program" 0.2
    ended_with 0
    printed_line "^spinner object: <$object "
    printed_line '^Answer: 42$'
    printed_no_line 'thinking!'
    [ "$(wc -l <"$scratch/out")" -eq 2 ] || fault_of_run 'not two lines'

    # Frames come in order, each on top of the last; the wipe comes before
    # the answer, and nothing after it.
    run "$top_builddir/t/demos/pty" 80 "$program" 0.65
    ended_with 0
    head -n 1 "$scratch/out" | grep -q "^spinner object: <$object " ||
        fault_of_run 'something comes before the first line'
    printed_line "${cr}| thinking!${cr}/ thinking!${cr}- thinking!${cr}"
    printed_line "thinking!$cr *${cr}Answer: 42$cr\$"
    tail -n 1 "$scratch/out" | grep -q 'Answer: 42' ||
        fault_of_run 'something follows the answer'

    for bad in -1 x 1e9 ''; do
        run "$program" "$bad"
        ended_with 2
        complained '^usage: '
    done
    run "$program" 1 2
    ended_with 2
done
finish
