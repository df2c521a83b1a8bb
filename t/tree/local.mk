# The tree itself: shell scripts.

tree_tests = \
	t/promise/switch_stacks.sh \
	t/tree/dist.sh \
	t/tree/docs.sh \
	t/tree/examples.sh \
	t/tree/exports.sh \
	t/tree/headers.sh \
	t/tree/install.sh \
	t/tree/layers.sh \
	t/tree/manpages.sh \
	t/tree/names.sh \
	t/tree/nulls.sh \
	t/tree/scripts.sh \
	t/tree/tests.sh
TESTS += $(tree_tests)

EXTRA_DIST += \
	$(tree_tests) \
	t/tree/exports.txt \
	t/tree/update_exports.sh

# After a change of the interface that is meant.
update-exports: libvetch.la
	$(AM_V_GEN)top_srcdir='$(abs_top_srcdir)' \
	top_builddir='$(abs_top_builddir)' \
	$(SHELL) $(srcdir)/t/tree/update_exports.sh
.PHONY: update-exports
