#!/bin/sh
# Tests register themselves: no test file has a main, a suite or a list of
# names of its own, and each belongs to a program that is built.

. "$(dirname "$0")/../support/common.sh"

cd "$top_srcdir"
lists='^main\(|\b(START_TEST|END_TEST|suite_create|srunner_create)\b|\btcase_add_[a-z_]*test'
for file in $(find t -name 'test_*.c' | sort); do
    ! grep -nE "$lists" "$file" ||
        fault "$file: tests register themselves, see VT_TEST"
    grep -qE '^VT_TEST\(' "$file" || fault "$file: no test"
    sed 's/#.*//' t/*/local.mk | grep -qw "${file%.c}" ||
        fault "$file is in no local.mk"
done
finish
