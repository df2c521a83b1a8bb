libvetch_private_la_SOURCES += \
	lib/http/headers-private.h \
	lib/http/parser-private.h \
	lib/http/url-private.h \
	lib/http/url.c
