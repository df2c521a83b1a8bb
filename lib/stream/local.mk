# One vocabulary for every flow of bytes.
libvetch_private_la_SOURCES += \
	lib/stream/copy-private.h \
	lib/stream/copy.c \
	lib/stream/copy_direct.c \
	lib/stream/file-private.h \
	lib/stream/file.c \
	lib/stream/file_disk.c \
	lib/stream/file_stream.c \
	lib/stream/filter.c \
	lib/stream/gzip.c \
	lib/stream/idle.c \
	lib/stream/inflater-private.h \
	lib/stream/inflater.c \
	lib/stream/join.c \
	lib/stream/no_memory.c \
	lib/stream/own-private.h \
	lib/stream/own.c \
	lib/stream/read.c \
	lib/stream/serve.c \
	lib/stream/start_tls.c \
	lib/stream/stream-private.h \
	lib/stream/stream.c \
	lib/stream/transport-private.h \
	lib/stream/transport_stream.c \
	lib/stream/write.c
