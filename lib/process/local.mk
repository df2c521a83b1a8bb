# Child processes.
libvetch_private_la_SOURCES += \
	lib/process/process-private.h \
	lib/process/process.c \
	lib/process/run.c \
	lib/process/spawn-private.h \
	lib/process/spawn.c
