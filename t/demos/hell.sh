#!/bin/sh
# The three-stage operation does the same in all three styles: when all goes well,
# and when any of its stages fails.

. "$(dirname "$0")/common.sh"

stages='stage 1: Ada -> customer 17
stage 2: customer 17 -> order 4711
stage 3: order 4711 -> parcel 99
final step: label for parcel 99 printed'

first()
{
    printf '%s\n' "$stages" | head -n "$1"
}

for style in callbacks promises tasks; do
    program=$top_builddir/demos/hell/three_stages_$style

    run "$program"
    ended_with 0
    printed "$stages"
    complained_of_nothing

    for stage in 1 2 3; do
        run "$program" $stage
        ended_with 1
        printed "$(first $((stage - 1)))"
        complained "^failed: stage $stage: no answer for "
    done

    # What was done is told before what went wrong, also into one pipe.
    run sh -c "'$program' 3 2>&1"
    printed "$(first 2)
failed: stage 3: no answer for order 4711"

    run "$program" final
    ended_with 1
    printed "$(first 3)"
    complained '^failed: final step: no label for parcel 99$'

    for bad in 0 4 '' one; do
        run "$program" "$bad"
        ended_with 2
        complained '^usage: '
    done
    run "$program" 1 2
    ended_with 2
done
finish
