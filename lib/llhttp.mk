# llhttp, when there is no system library: one line of C per source file
# pulls it in from where it is installed, so that nothing of it is copied.

if LLHTTP_FROM_SOURCE
noinst_LTLIBRARIES += libllhttp-private.la
libllhttp_private_la_CPPFLAGS = $(LLHTTP_CFLAGS)
libllhttp_private_la_CFLAGS = \
	$(SAN_CFLAGS) $(COVERAGE_CFLAGS) $(LIB_CFLAGS) -w
nodist_libllhttp_private_la_SOURCES = \
	llhttp/api.c \
	llhttp/http.c \
	llhttp/llhttp.c
libvetch_private_la_LIBADD += libllhttp-private.la

$(nodist_libllhttp_private_la_SOURCES): Makefile
	$(AM_V_GEN)$(MKDIR_P) llhttp && \
	printf '#include "%s"\n' '$(LLHTTP_SRCDIR)/$(@F)' > $@

CLEANFILES += $(nodist_libllhttp_private_la_SOURCES)
endif
