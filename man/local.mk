# Manual pages, one per concept, one line each.

manual_pages = \
	man/vetch_buffer.3 \
	man/vetch_combinators.3 \
	man/vetch_connect.3 \
	man/vetch_datagram.3 \
	man/vetch_debug.3 \
	man/vetch_deferred.3 \
	man/vetch_descriptor.3 \
	man/vetch_error.3 \
	man/vetch_event.3 \
	man/vetch_executor.3 \
	man/vetch_file.3 \
	man/vetch_file_open.3 \
	man/vetch_filter.3 \
	man/vetch_http_client.3 \
	man/vetch_http_reply.3 \
	man/vetch_http_request.3 \
	man/vetch_http_response.3 \
	man/vetch_http_server.3 \
	man/vetch_listener.3 \
	man/vetch_log.3 \
	man/vetch_process.3 \
	man/vetch_process_run.3 \
	man/vetch_promise.3 \
	man/vetch_protocol.3 \
	man/vetch_proxy.3 \
	man/vetch_queue.3 \
	man/vetch_reactor.3 \
	man/vetch_resolve.3 \
	man/vetch_retry.3 \
	man/vetch_scope.3 \
	man/vetch_semaphore.3 \
	man/vetch_signal.3 \
	man/vetch_stream.3 \
	man/vetch_stream_copy.3 \
	man/vetch_stream_from_fds.3 \
	man/vetch_stream_new.3 \
	man/vetch_stream_read.3 \
	man/vetch_stream_serve.3 \
	man/vetch_stream_start_tls.3 \
	man/vetch_stream_write.3 \
	man/vetch_task.3 \
	man/vetch_testing.3 \
	man/vetch_timer.3 \
	man/vetch_tls.3 \
	man/vetch_transport.3 \
	man/vetch_udp.3 \
	man/vetch_unref.3 \
	man/vetch_url.3 \
	man/vetch_version.3 \
	man/vetch.7 \
	man/vetch_debugging.7 \
	man/vetch_endpoint.7 \
	man/vetch_tutorial.7

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

clean-local: clean-links
clean-links:
	rm -rf man/links man/links.stamp
.PHONY: clean-links
