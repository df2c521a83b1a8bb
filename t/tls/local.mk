if OPENSSL
unit_tests += \
	t/tls/test_certificates \
	t/tls/test_handshake \
	t/tls/test_tls \
	t/tls/test_tls_faults
endif
