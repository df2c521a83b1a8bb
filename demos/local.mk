# Demonstrations, one folder per family.  They are users: they include
# <vetch.h>, link libvetch.la and see nothing private.  Each program needs
# demos_FAMILY_NAME_LDADD = $(demo_libs); those that read JSON add
# $(JANSSON_LIBS) and ..._CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS).

demo_libs = libvetch.la

# A family is a folder; its local.mk adds to demo_programs, and to EXTRA_DIST
# what is not a source.
demo_programs =

include demos/chaos/local.mk
include demos/charfinder/local.mk
include demos/spinner/local.mk
include demos/hell/local.mk
include demos/flags/local.mk
include demos/echo/local.mk
include demos/chat/local.mk
include demos/nc/local.mk
include demos/http/local.mk
include demos/embed/local.mk

if DEMOS
noinst_PROGRAMS += $(demo_programs)
endif
