# What tests share: the harness, kits and peers.

if HAVE_CHECK
check_LTLIBRARIES += t/support/libharness.la
endif
t_support_libharness_la_SOURCES = \
	t/support/executor_kit.c \
	t/support/executor_kit.h \
	t/support/harness.c \
	t/support/harness.h \
	t/support/http_client_kit.c \
	t/support/http_client_kit.h \
	t/support/http_feed.c \
	t/support/http_feed.h \
	t/support/http_peer.c \
	t/support/http_peer.h \
	t/support/http_process.c \
	t/support/http_process.h \
	t/support/http_talk.c \
	t/support/http_talk.h \
	t/support/listener_probe.c \
	t/support/listener_probe.h \
	t/support/net_probe.c \
	t/support/net_probe.h \
	t/support/promise_kit.c \
	t/support/promise_kit.h \
	t/support/stream_kit.c \
	t/support/stream_kit.h
t_support_libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

EXTRA_DIST += \
	t/support/common.sh \
	t/support/count_results.sh \
	t/support/coverage.sh \
	t/support/needs_check.sh
