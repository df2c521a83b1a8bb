# One test program per concept: t/test_X from t/test_X.c, one line each.
# A program needs no further lines as long as that is its only source.

unit_tests = \
	t/test_adopted_loop \
	t/test_adoption \
	t/test_buffer \
	t/test_cancel \
	t/test_cancel_inside \
	t/test_cancel_shared \
	t/test_chain_end \
	t/test_clock \
	t/test_combinators \
	t/test_connect \
	t/test_debug \
	t/test_descriptor \
	t/test_endpoint \
	t/test_error \
	t/test_executor \
	t/test_event \
	t/test_handler \
	t/test_http_chance \
	t/test_http_answers \
	t/test_http_client \
	t/test_http_faults \
	t/test_http_body \
	t/test_http_pieces \
	t/test_http_lifetime \
	t/test_http_limits \
	t/test_http_files \
	t/test_http_pipelining \
	t/test_http_pool \
	t/test_http_random \
	t/test_http_reentry \
	t/test_http_refusals \
	t/test_http_server \
	t/test_http_stop \
	t/test_http_reuse \
	t/test_http_stream \
	t/test_http_timeouts \
	t/test_inflate \
	t/test_listener \
	t/test_listener_shortage \
	t/test_listener_scope \
	t/test_listener_stop \
	t/test_log \
	t/test_map \
	t/test_million \
	t/test_out_of_memory \
	t/test_ownership \
	t/test_parser_regressions \
	t/test_parser_request \
	t/test_parser_response \
	t/test_post \
	t/test_promise \
	t/test_promise_model \
	t/test_promise_oom \
	t/test_queue \
	t/test_race \
	t/test_reactor \
	t/test_reactor_end \
	t/test_ready \
	t/test_rejection \
	t/test_resolver \
	t/test_router \
	t/test_scope \
	t/test_semaphore \
	t/test_signal \
	t/test_stack \
	t/test_task \
	t/test_testing \
	t/test_timeout \
	t/test_timer \
	t/test_timer_crowd \
	t/test_transport \
	t/test_transport_end \
	t/test_transport_lifetime \
	t/test_transport_marks \
	t/test_transport_scope \
	t/test_unref \
	t/test_url \
	t/test_version \
	t/test_wait \
	t/test_wrong_thread

# Unit tests that matter most under the thread sanitizer.
thread_tests = \
	t/test_executor \
	t/test_signal \
	t/test_post \
	t/test_version \
	t/test_wrong_thread

# Too long for valgrind; the sanitizers run them.
long_tests = \
	t/test_million \
	t/test_promise_model

# Whole programs, run end to end: shell scripts.
demo_tests = \
	t/demo_embed.sh \
	t/demo_flags.sh \
	t/demo_flags_hostile.sh \
	t/demo_flags_terminal.sh \
	t/demo_flags_trouble.sh \
	t/demo_hell.sh \
	t/demo_http.sh \
	t/demo_spinner.sh

# The tree itself: shell scripts.
tree_tests = \
	t/switch_stacks.sh \
	t/tree_dist.sh \
	t/tree_examples.sh \
	t/tree_exports.sh \
	t/tree_headers.sh \
	t/tree_install.sh \
	t/tree_layers.sh \
	t/tree_manpages.sh \
	t/tree_scripts.sh

if HAVE_CHECK
check_LTLIBRARIES += t/libharness.la
t_libharness_la_SOURCES = \
	t/harness.c \
	t/http_client_kit.c \
	t/http_client_kit.h \
	t/http_feed.c \
	t/http_feed.h \
	t/http_talk.c \
	t/http_talk.h \
	t/http_peer.c \
	t/http_peer.h \
	t/http_process.c \
	t/http_process.h \
	t/harness.h \
	t/listener_probe.c \
	t/listener_probe.h \
	t/net_probe.c \
	t/net_probe.h \
	t/promise_graph.c \
	t/promise_kit.c \
	t/promise_kit.h \
	t/promise_lines.c \
	t/promise_model.c \
	t/promise_model.h \
	t/promise_tasks.c \
	t/promise_world.c \
	t/promise_world.h
t_libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
else
TESTS += t/needs_check.sh
endif
if EMBED
check_PROGRAMS += t/test_embed
t_test_embed_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(EMBED_CFLAGS)
t_test_embed_LDADD = $(LDADD) $(EMBED_LIBS)
TESTS += t/test_embed
endif
if DEMOS
check_PROGRAMS += \
	t/hostile_server \
	t/pty \
	t/signal_after \
	t/tcp_say
t_hostile_server_LDADD = $(ZLIB_LIBS) $(PTHREAD_LIBS)
t_pty_LDADD =
t_signal_after_LDADD =
t_tcp_say_LDADD =
TESTS += $(demo_tests)
endif
TESTS += $(tree_tests)

EXTRA_DIST += \
	$(demo_tests) \
	$(tree_tests) \
	t/context_check.c \
	t/count_results.sh \
	t/coverage.sh \
	t/demo_common.sh \
	t/demo_flags_common.sh \
	t/exports.txt \
	t/needs_check.sh \
	t/tree_common.sh

# Tests run in the build folder and find what they need through these.
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; \
	SAN_CFLAGS='$(SAN_CFLAGS)'; export SAN_CFLAGS; \
	COVERAGE_CFLAGS='$(COVERAGE_CFLAGS)'; export COVERAGE_CFLAGS;
TEST_EXTENSIONS = .sh
# Scripts wait for programs; one that hangs must not hang everything.
SH_LOG_COMPILER = timeout -k 5 900 $(SHELL)

# After a change of the interface that is meant.
update-exports: libvetch.la
	$(AM_V_GEN)top_srcdir='$(abs_top_srcdir)' \
	top_builddir='$(abs_top_builddir)' \
	$(SHELL) $(srcdir)/t/update_exports.sh
EXTRA_DIST += t/update_exports.sh
.PHONY: update-exports

# Promises/A+: the public suite of JavaScript against our promises.
check-aplus: libvetch.la
	$(AM_V_at)$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/t/aplus/run.sh; \
	result=$$?; test $$result -eq 77 || exit $$result
EXTRA_DIST += \
	t/aplus/adapter.js \
	t/aplus/addon.c \
	t/aplus/package.json \
	t/aplus/run.sh
.PHONY: check-aplus

clean-local: clean-aplus
clean-aplus:
	rm -rf t/aplus/node_modules t/aplus/npm.log t/aplus/suite.log
	rm -f t/aplus/addon.node t/aplus/package-lock.json
	test '$(srcdir)' = . || \
		rm -f t/aplus/adapter.js t/aplus/package.json
.PHONY: clean-aplus

include t/bench/local.mk
include t/flags/local.mk
include t/fuzz/local.mk
