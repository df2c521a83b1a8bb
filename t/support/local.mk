# What tests share: the harness, kits and peers.

if HAVE_CHECK
check_LTLIBRARIES += t/support/libharness.la
endif
t_support_libharness_la_SOURCES = \
	t/support/executor_kit.c \
	t/support/executor_kit.h \
	t/support/file_kit.c \
	t/support/file_kit.h \
	t/support/harness.c \
	t/support/harness.h \
	t/support/http_client_kit.c \
	t/support/http_client_kit.h \
	t/support/http_origin_kit.c \
	t/support/http_origin_kit.h \
	t/support/http_parser_kit.c \
	t/support/http_parser_kit.h \
	t/support/http_remote_kit.c \
	t/support/http_remote_kit.h \
	t/support/http_server_kit.c \
	t/support/http_server_kit.h \
	t/support/http_stream_kit.c \
	t/support/http_stream_kit.h \
	t/support/listener_kit.c \
	t/support/listener_kit.h \
	t/support/process_kit.c \
	t/support/process_kit.h \
	t/support/promise_kit.c \
	t/support/promise_kit.h \
	t/support/stream_kit.c \
	t/support/stream_kit.h \
	t/support/transport_kit.c \
	t/support/transport_kit.h \
	t/support/udp_kit.c \
	t/support/udp_kit.h
if OPENSSL
t_support_libharness_la_SOURCES += \
	t/support/tls_kit.c \
	t/support/tls_kit.h
endif
t_support_libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

EXTRA_DIST += \
	t/support/common.sh \
	t/support/count_results.sh \
	t/support/coverage.sh \
	t/support/needs_check.sh
