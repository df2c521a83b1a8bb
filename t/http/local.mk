unit_tests += \
	t/http/test_answers \
	t/http/test_body \
	t/http/test_chance \
	t/http/test_client \
	t/http/test_faults \
	t/http/test_fields \
	t/http/test_files \
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
	t/http/test_random \
	t/http/test_reentry \
	t/http/test_refusals \
	t/http/test_reuse \
	t/http/test_router \
	t/http/test_server \
	t/http/test_stop \
	t/http/test_stream \
	t/http/test_timeouts \
	t/http/test_url
