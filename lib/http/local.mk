# The engine of both sides.
libvetch_private_la_SOURCES += \
	lib/http/body.c \
	lib/http/gate.c \
	lib/http/headers-private.h \
	lib/http/headers.c \
	lib/http/parser-private.h \
	lib/http/parser.c \
	lib/http/scan-private.h

# The server.
libvetch_private_la_SOURCES += \
	lib/http/connection.c \
	lib/http/date-private.h \
	lib/http/date.c \
	lib/http/deadline.c \
	lib/http/files.c \
	lib/http/path.c \
	lib/http/receive.c \
	lib/http/reply.c \
	lib/http/request.c \
	lib/http/router-private.h \
	lib/http/router.c \
	lib/http/server-private.h \
	lib/http/server.c \
	lib/http/status-private.h \
	lib/http/status.c

# The client.
libvetch_private_la_SOURCES += \
	lib/http/answer.c \
	lib/http/call.c \
	lib/http/client-private.h \
	lib/http/client.c \
	lib/http/client_conn.c \
	lib/http/inflate-private.h \
	lib/http/inflate.c \
	lib/http/pool-private.h \
	lib/http/pool.c \
	lib/http/response.c \
	lib/http/url-private.h \
	lib/http/url.c
