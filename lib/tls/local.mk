libvetch_private_la_SOURCES += \
	lib/tls/start-private.h \
	lib/tls/tls-private.h
if OPENSSL
libvetch_private_la_SOURCES += \
	lib/tls/authorities.c \
	lib/tls/bio.c \
	lib/tls/handshake.c \
	lib/tls/hooks.c \
	lib/tls/sessions.c \
	lib/tls/tls.c \
	lib/tls/tls_endpoint.c \
	lib/tls/tls_error.c \
	lib/tls/tls_info.c \
	lib/tls/tls_load.c \
	lib/tls/tls_start.c \
	lib/tls/tls_transport.c
else
libvetch_private_la_SOURCES += lib/tls/no_tls.c
endif
