# Manual pages, one per concept, one line each.

manual_pages =

dist_man_MANS = $(manual_pages)

# Each page answers to all its names: a link page for every further one.
EXTRA_DIST += man/link_pages.sh

all-local: man/links.stamp

man/links.stamp: $(manual_pages) man/link_pages.sh
	$(AM_V_GEN)$(MKDIR_P) man && \
	pages=; for page in $(manual_pages); do \
	    if test -f $$page; then pages="$$pages $$page"; \
	    else pages="$$pages $(srcdir)/$$page"; fi; \
	done; \
	$(SHELL) $(srcdir)/man/link_pages.sh man/links $$pages && \
	echo made > $@

install-data-local: man/links.stamp
	@for file in man/links/*.[1-8]; do \
	    test -f $$file || continue; \
	    dir='$(DESTDIR)$(mandir)'/man$${file##*.}; \
	    $(MKDIR_P) "$$dir" && \
	    $(INSTALL_DATA) $$file "$$dir" || exit 1; \
	done

uninstall-local: man/links.stamp
	@for file in man/links/*.[1-8]; do \
	    test -f $$file || continue; \
	    rm -f '$(DESTDIR)$(mandir)'/man$${file##*.}/$$(basename $$file); \
	done

clean-local:
	rm -rf man/links man/links.stamp
