# demos/hell: add programs to demo_programs, one line each.

demo_programs += \
	demos/hell/three_stages_callbacks \
	demos/hell/three_stages_promises \
	demos/hell/three_stages_tasks

demos_hell_three_stages_callbacks_SOURCES = \
	demos/hell/calls.c \
	demos/hell/calls.h \
	demos/hell/three_stages_callbacks.c
demos_hell_three_stages_callbacks_LDADD = $(demo_libs)

demos_hell_three_stages_promises_SOURCES = \
	demos/hell/calls.c \
	demos/hell/calls.h \
	demos/hell/three_stages_promises.c
demos_hell_three_stages_promises_LDADD = $(demo_libs)

demos_hell_three_stages_tasks_SOURCES = \
	demos/hell/calls.c \
	demos/hell/calls.h \
	demos/hell/three_stages_tasks.c
demos_hell_three_stages_tasks_LDADD = $(demo_libs)

EXTRA_DIST += demos/hell/README.md
