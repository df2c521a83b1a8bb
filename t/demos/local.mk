# Demos as whole programs, run end to end by shell scripts, with the tools that
# these need.

demo_tests = \
	t/demos/chaos.sh \
	t/demos/charfinder.sh \
	t/demos/chat.sh \
	t/demos/echo.sh \
	t/demos/embed.sh \
	t/demos/flags.sh \
	t/demos/flags_hostile.sh \
	t/demos/flags_terminal.sh \
	t/demos/flags_trouble.sh \
	t/demos/hell.sh \
	t/demos/http.sh \
	t/demos/nc.sh \
	t/demos/spinner.sh

if DEMOS
check_PROGRAMS += \
	t/demos/chat_crowd \
	t/demos/hostile_server \
	t/demos/pty \
	t/demos/signal_after \
	t/demos/tcp_say
TESTS += $(demo_tests)
endif
t_demos_chat_crowd_LDADD =
t_demos_hostile_server_LDADD = $(ZLIB_LIBS) $(PTHREAD_LIBS)
t_demos_pty_LDADD =
t_demos_signal_after_LDADD =
t_demos_tcp_say_LDADD =

EXTRA_DIST += \
	$(demo_tests) \
	t/demos/common.sh \
	t/demos/flags_common.sh

# Tests that have the flags programs inside, to starve them and to end them
# early: see flags_child.h.

demo_unit_tests = \
	t/demos/test_chaos \
	t/demos/test_flags_oom \
	t/demos/test_flags_teardown

if DEMOS
if HAVE_CHECK
check_PROGRAMS += $(demo_unit_tests)
TESTS += $(demo_unit_tests)
check_LTLIBRARIES += t/demos/flags/libflagstest.la
endif
endif

t_demos_flags_libflagstest_la_CPPFLAGS = \
	$(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
t_demos_flags_libflagstest_la_SOURCES = \
	t/demos/flags/flags2_executor.c \
	t/demos/flags/flags2_promises.c \
	t/demos/flags/flags3_callbacks.c \
	t/demos/flags/flags3_promises.c \
	t/demos/flags/flags3_tasks.c \
	t/demos/flags/flags_child.c \
	t/demos/flags/flags_child.h \
	t/demos/flags/flags_promises.c \
	t/demos/flags/loop.c
# Its loop comes before the programs' own.
flags_test_libs = \
	t/demos/flags/libflagstest.la demos/flags/libflags.la $(LDADD)

t_demos_test_flags_oom_LDADD = $(flags_test_libs)
t_demos_test_flags_teardown_LDADD = $(flags_test_libs)

# The character finder: what it does without I/O, and its sessions.

charfinder_unit_tests = \
	t/demos/test_charfinder \
	t/demos/test_charfinder_sessions

if DEMOS
if ICU
if HAVE_CHECK
demo_unit_tests += $(charfinder_unit_tests)
endif
endif
endif

t_demos_test_charfinder_CPPFLAGS = \
	$(AM_CPPFLAGS) $(CHECK_CFLAGS) $(ICU_CFLAGS)
t_demos_test_charfinder_LDADD = demos/charfinder/libcharfinder.la $(LDADD)
t_demos_test_charfinder_sessions_SOURCES = \
	t/demos/test_charfinder_sessions.c \
	t/demos/charfinder/sessions.h \
	t/demos/charfinder/tcp_charfinder.c \
	t/demos/charfinder/tcp_charfinder_task.c \
	$(charfinder_server)
t_demos_test_charfinder_sessions_LDADD = \
	demos/charfinder/libcharfinder.la $(LDADD)

# The chaos proxy: what it does without I/O.

t_demos_test_chaos_SOURCES = t/demos/test_chaos.c $(chaos_library)
