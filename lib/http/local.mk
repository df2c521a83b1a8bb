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
	lib/http/path.c \
	lib/http/router-private.h \
	lib/http/router.c

# The client.
libvetch_private_la_SOURCES += \
	lib/http/inflate-private.h \
	lib/http/inflate.c \
	lib/http/pool-private.h \
	lib/http/pool.c \
	lib/http/url-private.h \
	lib/http/url.c
