#!/bin/sh
# t/promise/test_nulls.c calls every exported function that takes an object
# with NULL in its place.  What takes none is listed here.

. "$(dirname "$0")/../support/common.sh"

# Nothing but numbers, strings, functions and contexts.
takes_no_object='
vetch_buffer_new
vetch_connect_set_filter
vetch_deferred_new
vetch_error_from_errno
vetch_error_name
vetch_error_new
vetch_error_newv
vetch_event_new
vetch_gunzip_new
vetch_gzip_new
vetch_in_task
vetch_log
vetch_log_get_level
vetch_log_set_level
vetch_now
vetch_queue_new
vetch_reactor_current
vetch_reactor_new
vetch_resolver_forget
vetch_resolver_set_cache
vetch_same
vetch_scope_new
vetch_semaphore_new
vetch_signal
vetch_sleep
vetch_stream_from_fds
vetch_stream_stdio
vetch_task_set_name
vetch_task_set_stack_size
vetch_testing_advance
vetch_testing_allocations
vetch_testing_fail_allocation
vetch_testing_fail_connect
vetch_testing_free
vetch_testing_malloc
vetch_testing_realloc
vetch_testing_run_ready
vetch_testing_short_writes
vetch_testing_shuffle
vetch_testing_virtual_clock
vetch_transport_from_fds
vetch_transport_stdio
vetch_version
'
make_scratch
cd "$scratch"
list "$top_srcdir/t/tree/exports.txt" >listed
echo "$takes_no_object" | sed '/^$/d' | LC_ALL=C sort >without
sed -n 's/^\(REFUSES\|ACCEPTS\)(\(vetch_[a-z0-9_]*\),.*/\2/p' \
    "$top_srcdir/t/promise/test_nulls.c" | LC_ALL=C sort >called

for name in $(LC_ALL=C uniq -d called) $(LC_ALL=C comm -12 called without); do
    fault "$name stands twice in t/promise/test_nulls.c, or here as well"
done
LC_ALL=C sort -u called without >known
for name in $(LC_ALL=C comm -23 listed known); do
    fault "nobody calls $name with NULL; see t/promise/test_nulls.c"
done
for name in $(LC_ALL=C comm -13 listed known); do
    fault "$name is in t/promise/test_nulls.c or here, but not exported"
done
finish "$(wc -l <called) functions called with NULL"
