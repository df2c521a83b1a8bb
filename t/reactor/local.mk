unit_tests += \
	t/reactor/test_adopted_loop \
	t/reactor/test_clock \
	t/reactor/test_descriptor \
	t/reactor/test_lag \
	t/reactor/test_post \
	t/reactor/test_precision \
	t/reactor/test_reactor \
	t/reactor/test_reactor_end \
	t/reactor/test_ready \
	t/reactor/test_run \
	t/reactor/test_testing \
	t/reactor/test_timer \
	t/reactor/test_timer_crowd
