# Public headers: the umbrella, and one header per concept.

include_HEADERS = include/vetch.h

vetchincludedir = $(includedir)/vetch
vetchinclude_HEADERS = \
	include/vetch/export.h \
	include/vetch/version.h
