# demos/flags: add programs to demo_programs, one line each.

demo_programs += \
	demos/flags/flags2_executor \
	demos/flags/flags2_promises \
	demos/flags/flags2_sequential \
	demos/flags/flags2_threadpool \
	demos/flags/flags3_callbacks \
	demos/flags/flags3_promises \
	demos/flags/flags3_tasks \
	demos/flags/flags_promises \
	demos/flags/flags_sequential \
	demos/flags/flags_threadpool \
	demos/flags/flagserver

# What they share.  A program takes from it what it uses.
if DEMOS
noinst_LTLIBRARIES += demos/flags/libflags.la
endif
demos_flags_libflags_la_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
demos_flags_libflags_la_LIBADD = $(JANSSON_LIBS) $(PTHREAD_LIBS)
demos_flags_libflags_la_SOURCES = \
	demos/flags/blocking.c \
	demos/flags/blocking.h \
	demos/flags/connection.c \
	demos/flags/connection.h \
	demos/flags/flags.h \
	demos/flags/loop.c \
	demos/flags/options.c \
	demos/flags/pool.c \
	demos/flags/pool.h \
	demos/flags/progress.c \
	demos/flags/report.c \
	demos/flags/save.c \
	demos/flags/stop.c \
	demos/flags/stop.h \
	demos/flags/url.c \
	demos/flags/url.h
nodist_demos_flags_libflags_la_SOURCES = demos/flags/country_codes.c

demos/flags/country_codes.c: $(srcdir)/demos/flags/country_codes.txt
	$(AM_V_GEN)$(MKDIR_P) demos/flags && { \
	echo 'extern const char country_codes[];' && \
	echo 'const char country_codes[] =' && \
	sed 's/.*/    "& "/' $(srcdir)/demos/flags/country_codes.txt && \
	echo '    "";'; } >$@.new && mv $@.new $@
CLEANFILES += demos/flags/country_codes.c

flags_libs = demos/flags/libflags.la $(demo_libs)

demos_flags_flags2_executor_LDADD = $(flags_libs)
demos_flags_flags2_promises_LDADD = $(flags_libs)
demos_flags_flags2_sequential_LDADD = $(flags_libs)
demos_flags_flags2_threadpool_LDADD = $(flags_libs)
demos_flags_flags3_callbacks_LDADD = $(flags_libs)
demos_flags_flags3_promises_LDADD = $(flags_libs)
demos_flags_flags3_tasks_LDADD = $(flags_libs)
demos_flags_flags_promises_LDADD = $(flags_libs)
demos_flags_flags_sequential_LDADD = $(flags_libs)
demos_flags_flags_threadpool_LDADD = $(flags_libs)

demos_flags_flagserver_SOURCES = \
	demos/flags/flagserver.c \
	demos/flags/site.c \
	demos/flags/site.h
demos_flags_flagserver_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
demos_flags_flagserver_LDADD = $(flags_libs)

EXTRA_DIST += \
	demos/flags/README.md \
	demos/flags/chaos_delay \
	demos/flags/chaos_error_delay \
	demos/flags/count_styles \
	demos/flags/country_codes.txt \
	demos/flags/run_demo
