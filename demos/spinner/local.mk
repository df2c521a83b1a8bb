# demos/spinner: add programs to demo_programs, one line each.

demo_programs += \
	demos/spinner/spinner_promises \
	demos/spinner/spinner_task \
	demos/spinner/spinner_thread

demos_spinner_spinner_promises_SOURCES = \
	demos/spinner/frame.c \
	demos/spinner/frame.h \
	demos/spinner/spinner_promises.c
demos_spinner_spinner_promises_LDADD = $(demo_libs)

demos_spinner_spinner_task_SOURCES = \
	demos/spinner/frame.c \
	demos/spinner/frame.h \
	demos/spinner/spinner_task.c
demos_spinner_spinner_task_LDADD = $(demo_libs)

demos_spinner_spinner_thread_SOURCES = \
	demos/spinner/frame.c \
	demos/spinner/frame.h \
	demos/spinner/spinner_thread.c
demos_spinner_spinner_thread_LDADD = $(PTHREAD_LIBS)

EXTRA_DIST += demos/spinner/README.md
