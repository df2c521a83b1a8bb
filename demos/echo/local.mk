# demos/echo: add programs to demo_programs, one line each.

demo_programs += \
	demos/echo/echo_promises \
	demos/echo/echo_protocol \
	demos/echo/echo_task

echo_common = \
	demos/echo/serving.c \
	demos/echo/serving.h

demos_echo_echo_promises_SOURCES = \
	demos/echo/echo_promises.c $(echo_common)
demos_echo_echo_promises_LDADD = $(demo_libs)

demos_echo_echo_protocol_SOURCES = \
	demos/echo/echo_protocol.c $(echo_common)
demos_echo_echo_protocol_LDADD = $(demo_libs)

demos_echo_echo_task_SOURCES = \
	demos/echo/echo_task.c $(echo_common)
demos_echo_echo_task_LDADD = $(demo_libs)

EXTRA_DIST += demos/echo/README.md
