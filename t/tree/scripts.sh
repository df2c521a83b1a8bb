#!/bin/sh
# Shell scripts pass shellcheck.

. "$(dirname "$0")/../support/common.sh"

need shellcheck
cd "$top_srcdir"
for script in bootstrap .ci/run t/*/*.sh man/*.sh demos/*/*.sh demos/*/run_demo
do
    [ -f "$script" ] || continue
    shellcheck -x -P SCRIPTDIR -S warning "$script" || fault "$script"
done
finish
