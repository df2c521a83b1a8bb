#!/bin/sh
# Every way of switching stacks, on every machine at hand: our own switch and
# ucontext here, and our own on aarch64 where there is a cross compiler and an
# emulator.

. "$(dirname "$0")/../support/common.sh"

make_scratch
: > "$scratch/config.h"

# check LABEL COMPILER RUNNER FLAGS…
check()
{
    label=$1 compiler=$2 runner=$3
    shift 3
    if ! $compiler -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -I"$scratch" \
        -I"$top_srcdir/lib" "$@" -o "$scratch/check" \
        "$top_srcdir/t/promise/context_check.c" "$top_srcdir/lib/promise/context.c" \
        "$top_srcdir/lib/promise/context_switch.S" -lm
    then
        fault "$label: does not compile"
    elif ! $runner "$scratch/check"; then
        fault "$label: fails"
    else
        echo "$label: works"
    fi
}

check "own switch" "${CC:-cc}" ""
check "ucontext" "${CC:-cc}" "" -DVETCH_UCONTEXT
cross=aarch64-linux-gnu-gcc
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || :)
if command -v $cross > /dev/null && [ -n "$emulator" ]; then
    check "own switch on aarch64" $cross "$emulator" -static
    check "ucontext on aarch64" $cross "$emulator" -static -DVETCH_UCONTEXT
else
    echo "aarch64: no cross compiler or no emulator here; not looked at"
fi

# What switches by hand must not be taken for fit for shadow stacks.
if ${CC:-cc} -fcf-protection -x c -c -o "$scratch/any.o" - < /dev/null \
    2> /dev/null
then
    ${CC:-cc} -fcf-protection -c -o "$scratch/switch.o" \
        "$top_srcdir/lib/promise/context_switch.S"
    ! readelf -n "$scratch/switch.o" | grep -q SHSTK ||
        fault "context_switch.S is marked as fit for shadow stacks"
fi
finish
