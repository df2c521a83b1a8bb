# The library, from the bottom up.  All objects go into libvetch-private.la;
# libvetch.la wraps it with the version map.

noinst_LTLIBRARIES += libvetch-private.la
libvetch_private_la_CFLAGS = $(AM_CFLAGS) $(LIB_CFLAGS)
libvetch_private_la_LDFLAGS = $(SAN_CFLAGS) $(COVERAGE_CFLAGS)
libvetch_private_la_LIBADD =
libvetch_private_la_SOURCES = \
	lib/unref.c

include lib/base/local.mk
include lib/reactor/local.mk
include lib/promise/local.mk
include lib/net/local.mk
include lib/tls/local.mk
include lib/stream/local.mk
include lib/process/local.mk
include lib/http/message/local.mk
include lib/http/client/local.mk
include lib/http/server/local.mk
include lib/llhttp.mk

lib_LTLIBRARIES += libvetch.la
libvetch_la_SOURCES =
libvetch_la_LIBADD = libvetch-private.la $(DEPENDENCY_LIBS)
libvetch_la_LDFLAGS = \
	-version-info $(LT_VERSION_INFO) -no-undefined \
	$(LIB_LDFLAGS) $(SAN_CFLAGS) $(COVERAGE_CFLAGS)
if HAVE_VSCRIPT
libvetch_la_LDFLAGS += $(VSCRIPT_LDFLAGS),$(srcdir)/lib/vetch.map
libvetch_la_DEPENDENCIES = libvetch-private.la $(srcdir)/lib/vetch.map
endif
EXTRA_DIST += lib/vetch.map
