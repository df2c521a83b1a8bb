# The server. It sees message, never client.
libvetch_private_la_SOURCES += \
	lib/http/server/conn.c \
	lib/http/server/date-private.h \
	lib/http/server/date.c \
	lib/http/server/deadline.c \
	lib/http/server/fallback.c \
	lib/http/server/files.c \
	lib/http/server/life.c \
	lib/http/server/path.c \
	lib/http/server/receive.c \
	lib/http/server/reply.c \
	lib/http/server/reply_head.c \
	lib/http/server/reply_output.c \
	lib/http/server/request.c \
	lib/http/server/request_stream.c \
	lib/http/server/router-private.h \
	lib/http/server/router.c \
	lib/http/server/server-private.h \
	lib/http/server/server.c \
	lib/http/server/stop.c
