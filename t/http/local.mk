unit_tests += \
	t/http/test_bad_responses \
	t/http/test_body \
	t/http/test_chance \
	t/http/test_client \
	t/http/test_exchange \
	t/http/test_faults \
	t/http/test_fields \
	t/http/test_files \
	t/http/test_fork \
	t/http/test_half_close \
	t/http/test_http_url \
	t/http/test_inflate \
	t/http/test_lifetime \
	t/http/test_limits \
	t/http/test_parser_regressions \
	t/http/test_parser_request \
	t/http/test_parser_response \
	t/http/test_paths \
	t/http/test_pieces \
	t/http/test_pipelining \
	t/http/test_pool \
	t/http/test_proxy \
	t/http/test_random \
	t/http/test_reentry \
	t/http/test_refusals \
	t/http/test_request_stream \
	t/http/test_reuse \
	t/http/test_router \
	t/http/test_server \
	t/http/test_slow_readers \
	t/http/test_stop \
	t/http/test_stream \
	t/http/test_stream_reads \
	t/http/test_timeouts \
	t/http/test_url
if OPENSSL
unit_tests += t/http/test_https
endif
