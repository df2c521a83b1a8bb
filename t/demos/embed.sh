#!/bin/sh
# demos/embed: GLib's sources run in a vetch reactor.

. "$(dirname "$0")/../support/common.sh"

program=$top_builddir/demos/embed/embed_glib
[ -x "$program" ] || skip "built without GLib"
out=$("$program") || fault "embed_glib fails"
for line in "GLib's timer: 3" "GLib read '1'" "GLib read '3'" \
    "vetch's task: 3"; do
    printf '%s\n' "$out" | grep -qxF "$line" || fault "no line: $line"
done
finish
