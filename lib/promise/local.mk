libvetch_private_la_SOURCES += \
	lib/promise/cancel.c \
	lib/promise/combinators.c \
	lib/promise/context-private.h \
	lib/promise/context.c \
	lib/promise/debug.c \
	lib/promise/deferred.c \
	lib/promise/event.c \
	lib/promise/promise-private.h \
	lib/promise/promise.c \
	lib/promise/queue.c \
	lib/promise/results-private.h \
	lib/promise/results.c \
	lib/promise/sanitizer-private.h \
	lib/promise/scope.c \
	lib/promise/semaphore-private.h \
	lib/promise/semaphore.c \
	lib/promise/signal.c \
	lib/promise/stack-private.h \
	lib/promise/stack.c \
	lib/promise/task.c \
	lib/promise/time.c \
	lib/promise/wait.c \
	lib/promise/waiters-private.h \
	lib/promise/waiters.c
