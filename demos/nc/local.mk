# demos/nc: add programs to demo_programs, one line each.

demo_programs += demos/nc/nc

demos_nc_nc_SOURCES = demos/nc/nc.c
demos_nc_nc_LDADD = $(demo_libs)

EXTRA_DIST += demos/nc/README.md
