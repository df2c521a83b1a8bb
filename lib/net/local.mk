libvetch_private_la_SOURCES += \
	lib/net/addresses.c \
	lib/net/connect.c \
	lib/net/endpoint-private.h \
	lib/net/endpoint.c \
	lib/net/listen-private.h \
	lib/net/listen.c \
	lib/net/listener.c \
	lib/net/memory.c \
	lib/net/net-private.h \
	lib/net/net.c \
	lib/net/output-private.h \
	lib/net/output.c \
	lib/net/own_scope-private.h \
	lib/net/own_scope.c \
	lib/net/resolver-private.h \
	lib/net/resolver.c \
	lib/net/socket.c \
	lib/net/stop-private.h \
	lib/net/stop.c \
	lib/net/transport-private.h \
	lib/net/transport.c \
	lib/net/transport_close.c \
	lib/net/transport_settings.c \
	lib/net/transport_write.c
