/* Fuzz target of the HTTP engine. The first byte of the input chooses the role
 * and the step; the outcome must be the same as with all bytes at once.
 *
 * With clang: compile the library's sources and this file (without replay.c)
 * with -fsanitize=fuzzer,address and run it on t/fuzz/http. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_parser_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hpk_feed f = { .limits = { 512, 2048 } };
    char *whole, *cut;

    if (size == 0)
        return 0;
    f.response = (data[0] & 1) != 0;
    f.to_head = (data[0] & 2) != 0;
    f.eof = (data[0] & 4) != 0;
    whole = hpk_run(&f, (const char *)data + 1, size - 1);
    f.step = 1 + (data[0] >> 3);
    cut = hpk_run(&f, (const char *)data + 1, size - 1);
    if (strcmp(whole, cut) != 0) {
        fprintf(stderr, "at once:\n%s\nin steps of %zu:\n%s\n", whole, f.step,
                cut);
        abort();
    }
    free(whole);
    free(cut);
    return 0;
}
