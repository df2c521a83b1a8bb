unit_tests += \
	t/process/test_process \
	t/process/test_process_end \
	t/process/test_process_run \
	t/process/test_process_start
