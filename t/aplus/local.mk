# Promises/A+: the public suite of JavaScript against our promises.
check-aplus: libvetch.la
	$(AM_V_at)$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/t/aplus/run.sh; \
	result=$$?; test $$result -eq 77 || exit $$result
EXTRA_DIST += \
	t/aplus/adapter.js \
	t/aplus/addon.c \
	t/aplus/package.json \
	t/aplus/run.sh
.PHONY: check-aplus

clean-local: clean-aplus
clean-aplus:
	rm -rf t/aplus/node_modules t/aplus/npm.log t/aplus/suite.log
	rm -f t/aplus/addon.node t/aplus/package-lock.json
	test '$(srcdir)' = . || \
		rm -f t/aplus/adapter.js t/aplus/package.json
.PHONY: clean-aplus
