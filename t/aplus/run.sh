#!/bin/sh
# Promises/A+ for real: the public suite, unmodified, against vetch promises.
# Needs node with its headers, npm and a registry; without them it says so and
# is skipped.

. "$(dirname "$0")/../support/common.sh"

: "${top_srcdir:?}" "${top_builddir:?}"
for tool in node npm; do
    command -v $tool > /dev/null || skip "no $tool here"
done
case ${SAN_CFLAGS:-} in
*sanitize*) skip "node cannot load a library with sanitizers" ;;
esac
headers=$(node -p \
    'require("path").join(process.execPath, "../../include/node")')
[ -f "$headers/node_api.h" ] || skip "no headers of node here"
library=$top_builddir/.libs/libvetch.so
[ -e "$library" ] || skip "no shared library was built"

work=$top_builddir/t/aplus
mkdir -p "$work"
cp "$top_srcdir/t/aplus/package.json" "$top_srcdir/t/aplus/adapter.js" "$work"
if [ ! -d "$work/node_modules/promises-aplus-tests" ]; then
    (cd "$work" && npm install --no-package-lock --no-audit --no-fund \
        --loglevel=error > npm.log 2>&1) ||
        skip "npm cannot install the suite; see $work/npm.log"
fi

$CC -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -fPIC -shared \
    -I"$top_srcdir/include" -I"$headers" \
    "$top_srcdir/t/aplus/addon.c" -o "$work/addon.node" \
    -L"$top_builddir/.libs" -Wl,-rpath,"$top_builddir/.libs" \
    -lvetch -levent_core || {
    fault "the addon does not compile"
    finish
}

cd "$work" || exit 1
VETCH_ADDON=$work/addon.node node_modules/.bin/promises-aplus-tests \
    adapter.js --reporter dot > "$work/suite.log" 2>&1 ||
    fault "the suite fails; see $work/suite.log"
grep -E '^ *[0-9]+ (passing|failing)' "$work/suite.log" ||
    fault "the suite did not run"
grep -q '^ *872 passing' "$work/suite.log" || fault "872 tests should pass"
finish
