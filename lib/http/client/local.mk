# The client. It sees message, never server.
libvetch_private_la_SOURCES += \
	lib/http/client/call.c \
	lib/http/client/client-private.h \
	lib/http/client/client.c \
	lib/http/client/conn.c \
	lib/http/client/pool-private.h \
	lib/http/client/pool.c \
	lib/http/client/receive.c \
	lib/http/client/response.c \
	lib/http/client/response_stream.c \
	lib/http/client/upload.c
