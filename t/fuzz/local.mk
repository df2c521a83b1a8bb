# Fuzz targets.  With --enable-fuzzing libFuzzer is their main function, else
# a program that replays: `make check' runs their corpora in both cases.

fuzzers = \
	t/fuzz/fuzz_endpoint \
	t/fuzz/fuzz_http \
	t/fuzz/fuzz_inflate \
	t/fuzz/fuzz_stream \
	t/fuzz/fuzz_proxy \
	t/fuzz/fuzz_url
check_PROGRAMS += $(fuzzers)

if FUZZING
fuzz_main =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
fuzz_main = t/fuzz/replay.c
fuzz_ldflags = $(AM_LDFLAGS)
endif
fuzz_libs = libvetch-private.la $(DEPENDENCY_LIBS)

t_fuzz_fuzz_endpoint_SOURCES = t/fuzz/fuzz_endpoint.c $(fuzz_main)
t_fuzz_fuzz_endpoint_LDADD = $(fuzz_libs)
t_fuzz_fuzz_endpoint_LDFLAGS = $(fuzz_ldflags)

t_fuzz_fuzz_http_SOURCES = \
	t/fuzz/fuzz_http.c \
	t/support/http_parser_kit.c \
	t/support/http_parser_kit.h \
	$(fuzz_main)
t_fuzz_fuzz_http_LDADD = $(fuzz_libs)
t_fuzz_fuzz_http_LDFLAGS = $(fuzz_ldflags)

t_fuzz_fuzz_inflate_SOURCES = t/fuzz/fuzz_inflate.c $(fuzz_main)
t_fuzz_fuzz_inflate_LDADD = $(fuzz_libs)
t_fuzz_fuzz_inflate_LDFLAGS = $(fuzz_ldflags)

t_fuzz_fuzz_proxy_SOURCES = t/fuzz/fuzz_proxy.c $(fuzz_main)
t_fuzz_fuzz_proxy_LDADD = $(fuzz_libs)
t_fuzz_fuzz_proxy_LDFLAGS = $(fuzz_ldflags)

t_fuzz_fuzz_stream_SOURCES = t/fuzz/fuzz_stream.c $(fuzz_main)
t_fuzz_fuzz_stream_LDADD = $(fuzz_libs)
t_fuzz_fuzz_stream_LDFLAGS = $(fuzz_ldflags)

t_fuzz_fuzz_url_SOURCES = t/fuzz/fuzz_url.c $(fuzz_main)
t_fuzz_fuzz_url_LDADD = $(fuzz_libs)
t_fuzz_fuzz_url_LDFLAGS = $(fuzz_ldflags)

# How long each target runs.
FUZZ_SECONDS = 60

fuzz: $(fuzzers)
if FUZZING
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/t/fuzz/fuzz.sh $(FUZZ_SECONDS)
else
	@echo 'configure with CC=clang --enable-fuzzing first' >&2; exit 1
endif
.PHONY: fuzz

TESTS += t/fuzz/fuzz.sh
EXTRA_DIST += \
	t/fuzz/fuzz.sh \
	t/fuzz/endpoint/abstract \
	t/fuzz/endpoint/all \
	t/fuzz/endpoint/fd \
	t/fuzz/endpoint/name \
	t/fuzz/endpoint/systemd \
	t/fuzz/endpoint/tcp \
	t/fuzz/endpoint/tls \
	t/fuzz/endpoint/tls_client \
	t/fuzz/endpoint/unix \
	t/fuzz/endpoint/unixgram \
	t/fuzz/endpoint/v6 \
	t/fuzz/endpoint/zone \
	t/fuzz/http/absolute \
	t/fuzz/http/chunked \
	t/fuzz/http/extensions \
	t/fuzz/http/fold \
	t/fuzz/http/get \
	t/fuzz/http/post \
	t/fuzz/http/preface \
	t/fuzz/http/response \
	t/fuzz/http/response_chunked \
	t/fuzz/http/response_close \
	t/fuzz/http/response_folded \
	t/fuzz/http/response_head \
	t/fuzz/http/response_informational \
	t/fuzz/http/response_trailers \
	t/fuzz/http/smuggle \
	t/fuzz/inflate/chain \
	t/fuzz/inflate/chain_other \
	t/fuzz/inflate/expands \
	t/fuzz/inflate/gzip \
	t/fuzz/inflate/members \
	t/fuzz/inflate/padded \
	t/fuzz/inflate/raw \
	t/fuzz/inflate/stored \
	t/fuzz/inflate/zlib \
	t/fuzz/proxy/checksum \
	t/fuzz/proxy/inet \
	t/fuzz/proxy/inet6 \
	t/fuzz/proxy/line4 \
	t/fuzz/proxy/line6 \
	t/fuzz/proxy/local \
	t/fuzz/proxy/unix \
	t/fuzz/proxy/unknown \
	t/fuzz/proxy/unknown_long \
	t/fuzz/proxy/unspecified \
	t/fuzz/proxy/values \
	t/fuzz/stream/binary \
	t/fuzz/stream/borders \
	t/fuzz/stream/delimiters \
	t/fuzz/stream/empty \
	t/fuzz/stream/ends \
	t/fuzz/stream/lines \
	t/fuzz/stream/long \
	t/fuzz/stream/repeats \
	t/fuzz/url/address \
	t/fuzz/url/bare \
	t/fuzz/url/credentials \
	t/fuzz/url/https \
	t/fuzz/url/join \
	t/fuzz/url/join_hostless \
	t/fuzz/url/join_rootless \
	t/fuzz/url/mailto \
	t/fuzz/url/plain \
	t/fuzz/url/port \
	t/fuzz/url/raw \
	t/fuzz/url/zone
