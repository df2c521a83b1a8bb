# Benchmarks: t/bench/X from t/bench/X.c.  Each needs
# t_bench_X_LDADD = $(bench_libs), so that the test harness stays out.

bench_libs = libvetch-private.la $(DEPENDENCY_LIBS)
bench_serving = t/bench/serving.h t/bench/serving.c

noinst_PROGRAMS +=

noinst_PROGRAMS += t/bench/promise
t_bench_promise_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/hello
t_bench_hello_SOURCES = t/bench/hello.c $(bench_serving)
t_bench_hello_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/echo
t_bench_echo_SOURCES = t/bench/echo.c $(bench_serving)
t_bench_echo_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/flags
t_bench_flags_LDADD = $(bench_libs)
noinst_PROGRAMS += t/bench/pool
t_bench_pool_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/datagrams
t_bench_datagrams_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/proxy
t_bench_proxy_SOURCES = t/bench/proxy.c $(bench_serving)
t_bench_proxy_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/static
t_bench_static_SOURCES = t/bench/static.c $(bench_serving)
t_bench_static_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/spawn
t_bench_spawn_LDADD = $(bench_libs)

noinst_PROGRAMS += t/bench/timers
t_bench_timers_LDADD = $(bench_libs)

if OPENSSL
noinst_PROGRAMS += t/bench/https
t_bench_https_LDADD = $(bench_libs)
endif

EXTRA_DIST += t/bench/flags_speedup.sh
