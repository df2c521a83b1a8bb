# Sourced by the tests of whole programs, t/demos/*.sh.  Each prints every
# fault it finds and ends with `finish'; nothing takes longer than $patience
# seconds.  By hand, from anywhere:
#
#   top_builddir=build sh t/demos/hell.sh

# shellcheck shell=sh
. "$(dirname "$0")/../support/common.sh"

: "${patience:=120}"
# What a sanitizer finds has a status that no program has.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99
export ASAN_OPTIONS
make_scratch

# Runs a command; its output in $scratch/out and $scratch/err, its status in
# $status.  VETCH_UNDER may name a program that watches it, such as valgrind.
run()
{
    status=0
    # shellcheck disable=SC2086 # a program and its options, or nothing
    timeout -k 5 "$patience" ${VETCH_UNDER-} "$@" \
        >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    ran=$*
}

# Bare containers and change-rooted trees may have no pseudo terminals.
need_terminal()
{
    "$top_builddir/t/demos/pty" 80 true 2>/dev/null ||
        skip 'this machine gives no pseudo terminal'
}

fault_of_run()
{
    fault "$ran: $*"
    sed 's/^/    out: /' "$scratch/out"
    sed 's/^/    err: /' "$scratch/err"
}

# The last command ended with this status.
ended_with()
{
    [ "$status" -eq "$1" ] || fault_of_run "status $status, not $1"
}

# What it printed is exactly this; has a line that matches; has none.
printed()
{
    [ "$(cat "$scratch/out")" = "$1" ] || fault_of_run "did not print: $1"
}

printed_line()
{
    grep -q -- "$1" "$scratch/out" || fault_of_run "no line: $1"
}

printed_no_line()
{
    ! grep -q -- "$1" "$scratch/out" || fault_of_run "has the line: $1"
}

complained()
{
    grep -q -- "$1" "$scratch/err" || fault_of_run "did not complain: $1"
}

# One line says what is wrong; how to do it right may follow.
complained_in_one_line()
{
    [ "$(sed '/^usage: /,$d' "$scratch/err" | wc -l)" -eq 1 ] ||
        fault_of_run 'did not complain in one line'
}

complained_of_nothing()
{
    [ ! -s "$scratch/err" ] || fault_of_run 'complained'
}
