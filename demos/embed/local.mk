# demos/embed: needs GLib; left out without.

EXTRA_DIST += demos/embed/README.md

if GLIB
demo_programs += \
	demos/embed/embed_glib

demos_embed_embed_glib_SOURCES = \
	demos/embed/embed_glib.c \
	demos/embed/glib_in_vetch.c \
	demos/embed/glib_in_vetch.h
demos_embed_embed_glib_CPPFLAGS = $(AM_CPPFLAGS) $(GLIB_CFLAGS)
demos_embed_embed_glib_LDADD = $(demo_libs) $(GLIB_LIBS)
endif
