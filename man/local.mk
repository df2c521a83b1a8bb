# Manual pages, one per concept, one line each.

dist_man_MANS =
