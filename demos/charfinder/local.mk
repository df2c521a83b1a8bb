# demos/charfinder: add programs to demo_programs, one line each.

if ICU
demo_programs += \
	demos/charfinder/charfinder \
	demos/charfinder/tcp_charfinder \
	demos/charfinder/tcp_charfinder_task
if DEMOS
noinst_LTLIBRARIES += demos/charfinder/libcharfinder.la
endif
endif

# The part without I/O, and where its index is kept.
demos_charfinder_libcharfinder_la_CPPFLAGS = $(AM_CPPFLAGS) $(ICU_CFLAGS)
demos_charfinder_libcharfinder_la_LIBADD = $(ICU_LIBS)
demos_charfinder_libcharfinder_la_SOURCES = \
	demos/charfinder/codes.c \
	demos/charfinder/codes.h \
	demos/charfinder/index.c \
	demos/charfinder/index.h \
	demos/charfinder/keep.c \
	demos/charfinder/keep.h \
	demos/charfinder/text.c \
	demos/charfinder/text.h

charfinder_libs = demos/charfinder/libcharfinder.la $(demo_libs)
charfinder_server = \
	demos/charfinder/serving.c \
	demos/charfinder/serving.h \
	demos/charfinder/session.c \
	demos/charfinder/session.h

demos_charfinder_charfinder_LDADD = $(charfinder_libs)

demos_charfinder_tcp_charfinder_SOURCES = \
	demos/charfinder/tcp_charfinder.c $(charfinder_server)
demos_charfinder_tcp_charfinder_LDADD = $(charfinder_libs)

demos_charfinder_tcp_charfinder_task_SOURCES = \
	demos/charfinder/tcp_charfinder_task.c $(charfinder_server)
demos_charfinder_tcp_charfinder_task_LDADD = $(charfinder_libs)

EXTRA_DIST += demos/charfinder/README.md
