/* Runs a fuzz target over every file of a folder, and over mutations of each
 * that a fixed seed chooses: what `make check` does with the corpus where no
 * fuzzer is at hand.
 *
 *   FUZZER FOLDER [MUTATIONS [SEED]] */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BIGGEST_INPUT 65536

static uint64_t seed;

/* xorshift64* */
static uint32_t
random_number(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static size_t
mutate_once(uint8_t *data, size_t size)
{
    static const char bytes[] = "\r\n\t :;,0159af\"\x7f\x80\xff";
    size_t at = random_number() % size;
    size_t n = 1 + random_number() % 8;

    if (n > size - at)
        n = size - at;
    switch (random_number() % 4) {
    case 0: /* change */
        data[at] = (uint8_t)random_number();
        return size;
    case 1: /* change to a byte that means something (NUL included) */
        data[at] = (uint8_t)bytes[random_number() % sizeof(bytes)];
        return size;
    case 2: /* leave out */
        if (n == size)
            return size;
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    default: /* repeat */
        if (size + n > BIGGEST_INPUT)
            return size;
        memmove(data + at + n, data + at, size - at);
        return size + n;
    }
}

static void
run(const uint8_t *data, size_t size, unsigned long mutations)
{
    static uint8_t mutated[BIGGEST_INPUT];

    LLVMFuzzerTestOneInput(data, size);
    for (; size > 0 && mutations > 0; mutations--) {
        size_t changes = 1 + random_number() % 4;
        size_t n = size;

        memcpy(mutated, data, size);
        while (changes-- > 0)
            n = mutate_once(mutated, n);
        LLVMFuzzerTestOneInput(mutated, n);
    }
}

int
main(int argc, char **argv)
{
    unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : 500;
    static uint8_t data[BIGGEST_INPUT];
    unsigned files = 0;
    struct dirent *entry;
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;

    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (dir == NULL || seed == 0) {
        fprintf(stderr, "usage: %s FOLDER [MUTATIONS [SEED]]\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        FILE *f;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        f = fopen(path, "r");
        if (f == NULL)
            continue;
        run(data, fread(data, 1, sizeof(data), f), mutations);
        fclose(f);
        files++;
    }
    closedir(dir);
    printf("%u files, %lu mutations of each\n", files, mutations);
    return files > 0 ? 0 : 1;
}
