libvetch_private_la_SOURCES += \
	lib/base/version.c
