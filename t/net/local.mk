unit_tests += \
	t/net/test_activation \
	t/net/test_address_counts \
	t/net/test_background \
	t/net/test_connect \
	t/net/test_connect_filter \
	t/net/test_endpoint \
	t/net/test_listener \
	t/net/test_listener_limits \
	t/net/test_listener_process \
	t/net/test_listener_scope \
	t/net/test_listener_shortage \
	t/net/test_listener_stop \
	t/net/test_name_cache \
	t/net/test_proxy \
	t/net/test_proxy_haproxy \
	t/net/test_proxy_header \
	t/net/test_resolver \
	t/net/test_transport \
	t/net/test_transport_close \
	t/net/test_transport_end \
	t/net/test_transport_lifetime \
	t/net/test_transport_marks \
	t/net/test_transport_scope \
	t/net/test_transport_tcp \
	t/net/test_udp \
	t/net/test_udp_end \
	t/net/test_udp_unix

# What test_activation executes.
if HAVE_CHECK
check_PROGRAMS += t/net/activated
endif
t_net_activated_LDADD = libvetch-private.la $(DEPENDENCY_LIBS)
