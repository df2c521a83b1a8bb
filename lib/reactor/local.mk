libvetch_private_la_SOURCES += \
	lib/reactor/clock.c \
	lib/reactor/descriptor.c \
	lib/reactor/dump-private.h \
	lib/reactor/dump.c \
	lib/reactor/lag-private.h \
	lib/reactor/lag.c \
	lib/reactor/owner.c \
	lib/reactor/post.c \
	lib/reactor/reactor.c \
	lib/reactor/ready.c \
	lib/reactor/run.c \
	lib/reactor/testing.c \
	lib/reactor/timer.c \
	lib/reactor/timer_heap.c \
	lib/reactor/timer_lanes.c \
	lib/reactor/timer_queue.c \
	lib/reactor/owner-private.h \
	lib/reactor/reactor-private.h \
	lib/reactor/timer-private.h
