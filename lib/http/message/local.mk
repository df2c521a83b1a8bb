# What travels: grammar, framing, codings. Both sides of the wire use it.
libvetch_private_la_SOURCES += \
	lib/http/message/body.c \
	lib/http/message/first_line-private.h \
	lib/http/message/first_line.c \
	lib/http/message/gate.c \
	lib/http/message/headers-private.h \
	lib/http/message/headers.c \
	lib/http/message/http_url.c \
	lib/http/message/inflate-private.h \
	lib/http/message/inflate.c \
	lib/http/message/parser-private.h \
	lib/http/message/parser.c \
	lib/http/message/scan-private.h \
	lib/http/message/status-private.h \
	lib/http/message/status.c \
	lib/http/message/url-private.h \
	lib/http/message/url.c \
	lib/http/message/url_parts.c
