#!/bin/sh
# The flag downloaders against a server that lies, breaks off and never stops
# talking (t/demos/hostile_server.c): each such flag is one error with a cause, all
# others are downloaded, and nothing is written where it does not belong.

. "$(dirname "$0")/flags_common.sh"

start_hostile_server

# $1 is the code, $2 what its line has to say.
error_line()
{
    printed_line "^\*\*\* Error for $1: .*$2"
}

image_causes()
{
    error_line HB 'shorter\|missing'
    error_line HC '[Cc]onnection reset'
    error_line HD 'timed out\|not done within'
    error_line HE 'Content-Length'
    error_line HF 'Content-Length'
    error_line HH 'larger than 16777216'
    error_line HI 'larger than 16777216'
    error_line HJ 'head.* too \(long\|large\)'
    error_line HN 'shorter\|in the middle of the body'
    error_line HP 'Content-Length'
    error_line HR 'unknown [Tt]ransfer'
    error_line HT 'HTTP status 500'
    for cc in HA HG HK HL HM HO HQ HS HU HV; do
        error_line $cc 'GET '
    done
}

metadata_causes()
{
    error_line MA 'dot'
    error_line MB 'slash'
    error_line MC 'empty'
    error_line MD 'too long'
    error_line ME 'control'
    error_line MF 'invalid JSON'
    error_line MG 'invalid JSON'
    error_line MH 'no "country"'
    error_line MI 'no string'
    error_line MJ 'no "country"'
    error_line MK 'invalid JSON'
    error_line ML 'invalid JSON'
    error_line MM 'control'
    error_line MN 'dot'
    error_line MO 'slash'
    error_line MP 'dot'
    error_line MQ 'invalid JSON'
    error_line MS 'dash'
    error_line MT 'control'
}

for program in flags2_sequential flags2_threadpool flags2_promises \
    flags2_executor flags3_callbacks flags3_promises flags3_tasks; do
    for at_once in 1 7 100; do
        dest=$scratch/$program.$at_once/inner
        mkdir -p "$dest"
        run "$flags/$program" -v -t 1 -m $at_once -b "$hostile_url" \
            -d "$dest" G H M
        ended_with 1
        adds_up 78 "$dest"
        image_causes
        case $program in
        flags3_*)
            metadata_causes
            bad=$((22 + 19))
            [ -e "$dest/Land_of_GZ-GZ.gif" ] || fault_of_run 'GZ is not there'
            [ -e "$dest/Côte_d'Ivoire-MR.gif" ] ||
                fault_of_run 'MR is not there'
            ;;
        *) bad=22 ;;
        esac
        [ "$errors" -eq $bad ] || fault_of_run "not $bad errors"
        [ "$ok" -eq $((78 - bad)) ] || fault_of_run 'the rest is not all ok'
        # Nothing beside the destination, no folder in it.
        [ "$(find "$scratch/$program.$at_once" -mindepth 1 -maxdepth 1 |
            wc -l)" -eq 1 ] && [ -z "$(find "$dest" -mindepth 1 -type d)" ] ||
            fault_of_run 'something was written elsewhere'
        # No line of the output carries what a terminal would obey.
        printed_no_line "$(printf '[\001-\010\013-\037\177]')"
    done
done
kill_server
finish
