# Fuzz targets; `make check` replays their corpora.

check_PROGRAMS += t/fuzz/fuzz_http
t_fuzz_fuzz_http_SOURCES = \
	t/fuzz/fuzz_http.c \
	t/fuzz/replay.c \
	t/support/http_feed.c \
	t/support/http_feed.h
t_fuzz_fuzz_http_LDADD = libvetch-private.la $(DEPENDENCY_LIBS)

check_PROGRAMS += t/fuzz/fuzz_inflate
t_fuzz_fuzz_inflate_SOURCES = \
	t/fuzz/fuzz_inflate.c \
	t/fuzz/replay.c
t_fuzz_fuzz_inflate_LDADD = libvetch-private.la $(DEPENDENCY_LIBS)

check_PROGRAMS += t/fuzz/fuzz_url
t_fuzz_fuzz_url_SOURCES = \
	t/fuzz/fuzz_url.c \
	t/fuzz/replay.c
t_fuzz_fuzz_url_LDADD = libvetch-private.la $(DEPENDENCY_LIBS)

TESTS += t/fuzz/fuzz.sh
EXTRA_DIST += \
	t/fuzz/fuzz.sh \
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
	t/fuzz/url/address \
	t/fuzz/url/bare \
	t/fuzz/url/credentials \
	t/fuzz/url/plain \
	t/fuzz/url/port
