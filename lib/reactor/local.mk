libvetch_private_la_SOURCES +=
libvetch_private_la_SOURCES += \
	lib/reactor/reactor-private.h
libvetch_private_la_SOURCES += \
	lib/reactor/ready.c
