# demos/http: add programs to demo_programs, one line each.

demo_programs += \
	demos/http/echo_server

demos_http_echo_server_LDADD = $(demo_libs)

EXTRA_DIST += demos/http/README.md
