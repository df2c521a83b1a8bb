libvetch_private_la_SOURCES += \
	lib/base/buffer.c \
	lib/base/error.c \
	lib/base/log.c \
	lib/base/mem.c \
	lib/base/pool.c \
	lib/base/symbols.c \
	lib/base/text.c \
	lib/base/version.c \
	lib/base/buffer-private.h \
	lib/base/check-private.h \
	lib/base/error-private.h \
	lib/base/hash-private.h \
	lib/base/list-private.h \
	lib/base/mem-private.h \
	lib/base/object-private.h \
	lib/base/options-private.h \
	lib/base/pool-private.h \
	lib/base/symbols-private.h \
	lib/base/text-private.h
