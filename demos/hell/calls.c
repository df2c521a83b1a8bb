/* The service is a table and a short sleep: what matters is that the answers
 * come later, each is needed to ask the next question, and any of them may be
 * an error. */

#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATENCY_SECONDS 0.05

struct call {
    unsigned stage;
    char *request;
};

static const char *const answers[] = { "customer 17", "order 4711",
                                       "parcel 99" };
static unsigned failing_stage; /* 0: none, 4: the final step */

static void
choose_failure(int argc, char **argv)
{
    static const char *const stages[] = { "1", "2", "3", "final" };

    if (argc == 1)
        return;
    for (unsigned i = 0; argc == 2 && i < 4; i++)
        if (strcmp(argv[1], stages[i]) == 0)
            failing_stage = i + 1;
    if (failing_stage == 0) {
        fprintf(stderr, "usage: %s [1|2|3|final]\n", argv[0]);
        exit(2);
    }
}

vetch_reactor *
set_up(int argc, char **argv)
{
    vetch_reactor *reactor;

    /* Also into a pipe, what was done stands before what went wrong. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose_failure(argc, argv);
    reactor = vetch_reactor_new();
    if (reactor == NULL) {
        perror(argv[0]);
        exit(EXIT_FAILURE);
    }
    return reactor;
}

int
wind_up(vetch_reactor *reactor, vetch_error *error)
{
    int status = error != NULL ? EXIT_FAILURE : EXIT_SUCCESS;

    if (error != NULL)
        fprintf(stderr, "failed: %s\n", vetch_error_text(error));
    vetch_error_unref(error);
    vetch_reactor_unref(reactor);
    return status;
}

static void
free_call(void *ctx)
{
    struct call *call = ctx;

    free(call->request);
    free(call);
}

static vetch_promise *
answer(void *value, void *ctx)
{
    struct call *call = ctx;
    char *text;

    (void)value;
    if (call->stage == failing_stage)
        return vetch_rejected(vetch_error_new(VETCH_EUSER,
                                              "stage %u: no answer for %s",
                                              call->stage, call->request));
    text = strdup(answers[call->stage - 1]);
    if (text == NULL)
        return vetch_rejected(NULL);
    printf("stage %u: %s -> %s\n", call->stage, call->request, text);
    return vetch_resolved(text, free);
}

static vetch_promise *
ask(unsigned stage, const char *request)
{
    struct call *call = calloc(1, sizeof(*call));
    vetch_promise *p;

    if (call == NULL)
        return vetch_rejected(NULL);
    call->stage = stage;
    call->request = strdup(request);
    if (call->request == NULL) {
        free(call);
        return vetch_rejected(NULL);
    }
    p = vetch_then(vetch_sleep(LATENCY_SECONDS), answer, call);
    return vetch_finally(p, free_call, call);
}

vetch_promise *
find_customer(const char *request)
{
    return ask(1, request);
}

vetch_promise *
find_order(const char *request)
{
    return ask(2, request);
}

vetch_promise *
find_parcel(const char *request)
{
    return ask(3, request);
}

vetch_error *
print_label(const char *parcel)
{
    if (failing_stage == 4)
        return vetch_error_new(VETCH_EUSER, "final step: no label for %s",
                               parcel);
    printf("final step: label for %s printed\n", parcel);
    return NULL;
}
