libvetch_private_la_SOURCES += \
	lib/base/version.c
libvetch_private_la_SOURCES += \
	lib/base/list-private.h \
	lib/base/mem-private.h \
	lib/base/object-private.h \
	lib/base/pool-private.h
libvetch_private_la_SOURCES += \
	lib/base/pool.c
