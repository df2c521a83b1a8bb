unit_tests += \
	t/base/test_buffer \
	t/base/test_error \
	t/base/test_log \
	t/base/test_symbols \
	t/base/test_version
