# Public headers: the umbrella, and one header per concept.

include_HEADERS = include/vetch.h

vetchincludedir = $(includedir)/vetch
vetchinclude_HEADERS = \
	include/vetch/buffer.h \
	include/vetch/combinators.h \
	include/vetch/debug.h \
	include/vetch/descriptor.h \
	include/vetch/endpoint.h \
	include/vetch/error.h \
	include/vetch/event.h \
	include/vetch/executor.h \
	include/vetch/export.h \
	include/vetch/file.h \
	include/vetch/filter.h \
	include/vetch/http_client.h \
	include/vetch/http_server.h \
	include/vetch/listener.h \
	include/vetch/log.h \
	include/vetch/process.h \
	include/vetch/promise.h \
	include/vetch/proxy.h \
	include/vetch/queue.h \
	include/vetch/reactor.h \
	include/vetch/resolver.h \
	include/vetch/retry.h \
	include/vetch/scope.h \
	include/vetch/semaphore.h \
	include/vetch/signal.h \
	include/vetch/stream.h \
	include/vetch/task.h \
	include/vetch/testing.h \
	include/vetch/timer.h \
	include/vetch/tls.h \
	include/vetch/transport.h \
	include/vetch/types.h \
	include/vetch/udp.h \
	include/vetch/url.h \
	include/vetch/version.h
