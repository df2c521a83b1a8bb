# The tests mirror lib/: a folder for each layer, and each lists its own.
# A program t/X/test_Y is made from t/X/test_Y.c and needs no further lines as
# long as that is its only source.

unit_tests =

include t/support/local.mk
include t/base/local.mk
include t/reactor/local.mk
include t/promise/local.mk
include t/net/local.mk
include t/tls/local.mk
include t/stream/local.mk
include t/process/local.mk
include t/http/local.mk
include t/demos/local.mk
include t/tree/local.mk
include t/aplus/local.mk
include t/bench/local.mk
include t/fuzz/local.mk

# Unit tests that matter most under the thread sanitizer.
thread_tests = \
	t/base/test_version \
	t/promise/test_executor \
	t/promise/test_executor_end \
	t/promise/test_signal \
	t/promise/test_wrong_thread \
	t/reactor/test_post

if HAVE_CHECK
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += t/support/needs_check.sh
endif

# Tests run in the build folder and find what they need through these.
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; \
	SAN_CFLAGS='$(SAN_CFLAGS)'; export SAN_CFLAGS; \
	FUZZING='$(enable_fuzzing)'; export FUZZING; \
	COVERAGE_CFLAGS='$(COVERAGE_CFLAGS)'; export COVERAGE_CFLAGS;
TEST_EXTENSIONS = .sh
# Scripts wait for programs; one that hangs must not hang everything.
SH_LOG_COMPILER = timeout -k 5 900 $(SHELL)
