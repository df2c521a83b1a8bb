# Tests that have the flags programs inside, to starve them and to end them
# early: see flags_child.h.

demo_unit_tests = \
	t/test_flags_oom \
	t/test_flags_teardown

if DEMOS
if HAVE_CHECK
check_PROGRAMS += $(demo_unit_tests)
TESTS += $(demo_unit_tests)
check_LTLIBRARIES += t/flags/libflagstest.la
endif
endif

t_flags_libflagstest_la_CPPFLAGS = \
	$(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
t_flags_libflagstest_la_SOURCES = \
	t/flags/flags2_executor.c \
	t/flags/flags2_promises.c \
	t/flags/flags3_callbacks.c \
	t/flags/flags3_promises.c \
	t/flags/flags3_tasks.c \
	t/flags/flags_child.c \
	t/flags/flags_child.h \
	t/flags/flags_promises.c \
	t/flags/loop.c
# Its loop comes before the programs' own.
flags_test_libs = t/flags/libflagstest.la demos/flags/libflags.la $(LDADD)

t_test_flags_oom_LDADD = $(flags_test_libs)
t_test_flags_teardown_LDADD = $(flags_test_libs)
