# demos/chaos: add programs to demo_programs, one line each.

demo_programs += demos/chaos/chaosproxy

# Without I/O: what the tests look at.
chaos_library = \
	demos/chaos/faults.c \
	demos/chaos/faults.h \
	demos/chaos/message.c \
	demos/chaos/message.h

demos_chaos_chaosproxy_SOURCES = \
	demos/chaos/chaosproxy.c \
	demos/chaos/control.c \
	demos/chaos/control.h \
	demos/chaos/flow.c \
	demos/chaos/flow.h \
	demos/chaos/http.c \
	demos/chaos/proxy.c \
	demos/chaos/proxy.h \
	$(chaos_library)
demos_chaos_chaosproxy_LDADD = $(demo_libs)

EXTRA_DIST += demos/chaos/README.md
