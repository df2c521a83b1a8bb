# One test program per concept: t/test_X from t/test_X.c, one line each.
# A program needs no further lines as long as that is its only source.

if HAVE_CHECK
check_LTLIBRARIES += t/libharness.la
t_libharness_la_SOURCES = \
	t/harness.c \
	t/harness.h
t_libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

unit_tests = \
	t/test_version

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += t/needs_check.sh
endif

EXTRA_DIST += t/count_results.sh t/needs_check.sh

# Tests run in the build folder and find data through these.
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir;
TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = $(SHELL)

include t/bench/local.mk
