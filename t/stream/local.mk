unit_tests += \
	t/stream/test_copy \
	t/stream/test_copy_direct \
	t/stream/test_file \
	t/stream/test_filter \
	t/stream/test_gzip \
	t/stream/test_life \
	t/stream/test_own \
	t/stream/test_pipe \
	t/stream/test_read \
	t/stream/test_serve \
	t/stream/test_write
if OPENSSL
unit_tests += t/stream/test_start_tls
endif
