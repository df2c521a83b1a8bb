unit_tests += \
	t/promise/test_adoption \
	t/promise/test_cancel \
	t/promise/test_cancel_inside \
	t/promise/test_cancel_shared \
	t/promise/test_chain_end \
	t/promise/test_combinators \
	t/promise/test_cycle \
	t/promise/test_debug \
	t/promise/test_dump \
	t/promise/test_event \
	t/promise/test_executor \
	t/promise/test_executor_end \
	t/promise/test_handler \
	t/promise/test_linear \
	t/promise/test_map \
	t/promise/test_million \
	t/promise/test_nulls \
	t/promise/test_offer \
	t/promise/test_out_of_memory \
	t/promise/test_ownership \
	t/promise/test_promise \
	t/promise/test_promise_oom \
	t/promise/test_queue \
	t/promise/test_queue_offer \
	t/promise/test_race \
	t/promise/test_rejection \
	t/promise/test_retry \
	t/promise/test_scope \
	t/promise/test_semaphore \
	t/promise/test_signal \
	t/promise/test_signal_random \
	t/promise/test_stack \
	t/promise/test_task \
	t/promise/test_timeout \
	t/promise/test_try \
	t/promise/test_unref \
	t/promise/test_wait \
	t/promise/test_wrong_thread \
	t/promise/model/test_model

# What the random model shares with the program that throws the dice.
t_promise_model_test_model_SOURCES = \
	t/promise/model/cycles.c \
	t/promise/model/graph.c \
	t/promise/model/lines.c \
	t/promise/model/model.c \
	t/promise/model/model.h \
	t/promise/model/tasks.c \
	t/promise/model/test_model.c \
	t/promise/model/world.c \
	t/promise/model/world.h

# Too long for valgrind; the sanitizers run them.
long_tests = \
	t/promise/test_linear \
	t/promise/test_million \
	t/promise/model/test_model

# One loop for all, with libraries that have their own adapters.
if EMBED
check_PROGRAMS += t/promise/test_embed
t_promise_test_embed_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(EMBED_CFLAGS)
t_promise_test_embed_LDADD = $(LDADD) $(EMBED_LIBS)
TESTS += t/promise/test_embed
endif

EXTRA_DIST += \
	t/promise/context_check.c \
	t/promise/switch_stacks.sh
