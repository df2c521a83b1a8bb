/* Names of functions, and files that are not what they seem. */

#include "support/harness.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/symbols-private.h"

static int
some_static_function(int n)
{
    return n + 1;
}

static int (*volatile some)(int) = some_static_function;

static const void *
address(int (*fn)(int))
{
    return (const void *)(uintptr_t)fn;
}

static const char *
name_of(const void *fn)
{
    static char name[VETCH__FUNCTION_NAME];

    return vetch__function_name(fn, name);
}

/* ---- names ---- */

VT_CASE("names", vt_tcase);

VT_TEST(a_static_function_of_the_program_is_named)
{
    ck_assert_str_eq(name_of(address(some)), "some_static_function");
}

/* Which has nothing but what is exported. */
VT_TEST(an_exported_function_of_a_library_is_named)
{
    ck_assert_str_eq(name_of(address(abs)), "abs");
}

VT_TEST(the_directory_does_not_matter)
{
    char before[4096];

    ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
    ck_assert_int_eq(chdir("/"), 0);
    if (!vt_on_valgrind()) /* shows another program there */
        ck_assert_str_eq(name_of(address(some)), "some_static_function");
    ck_assert_int_eq(chdir(before), 0);
}

VT_TEST(what_has_no_name_is_a_place_in_a_file)
{
    const char *inside = (const char *)address(some) + 1;

    ck_assert_ptr_nonnull(strstr(name_of(inside), "test_symbols+0x"));
}

VT_TEST(what_is_in_no_file_is_an_address)
{
    char here[32];

    snprintf(here, sizeof(here), "%p", (void *)here);
    ck_assert_str_eq(name_of(here), here);
    ck_assert_str_eq(name_of(NULL), "(nil)");
}

VT_TEST(names_that_were_asked_before_do_not_mix)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(name_of(address(some)), "some_static_function");
        ck_assert_str_eq(name_of(address(abs)), "abs");
    }
}

/* ---- files ---- */

VT_CASE("files", vt_tcase);

/* This program's own file; its first `size` bytes, exactly, to be freed. */
static char *
read_self(size_t *ret_size)
{
    FILE *f = fopen(program_invocation_name, "rb");
    size_t room = 1 << 24;
    char *all = malloc(room), *exact;

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(all);
    *ret_size = fread(all, 1, room, f);
    ck_assert_uint_lt(*ret_size, room);
    fclose(f);
    exact = realloc(all, *ret_size);
    ck_assert_ptr_nonnull(exact);
    return exact;
}

/* Where the program was loaded. */
static int
take_bias(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    *(uintptr_t *)ctx = info->dlpi_addr;
    return 1; /* the first is the program */
}

static uintptr_t
value_of(int (*fn)(int))
{
    uintptr_t bias = 0;

    dl_iterate_phdr(take_bias, &bias);
    return (uintptr_t)fn - bias;
}

VT_TEST(a_file_gives_names_by_value)
{
    size_t size;
    char *file = read_self(&size);

    ck_assert_str_eq(vetch__elf_function(file, size, value_of(some)),
                     "some_static_function");
    ck_assert_ptr_null(vetch__elf_function(file, size, value_of(some) + 1));
    free(file);
}

VT_TEST(a_file_that_was_cut_is_not_read_beyond_its_end)
{
    size_t size, step;
    char *file = read_self(&size);

    step = size / (vt_on_valgrind() ? 5 : 40);
    for (size_t cut = 0; cut < size; cut += cut < 128 ? 1 : step) {
        char *piece = malloc(cut + 1);

        ck_assert_ptr_nonnull(piece);
        piece = realloc(piece, cut > 0 ? cut : 1);
        memcpy(piece, file, cut);
        vetch__elf_function(piece, cut, value_of(some));
        free(piece);
    }
    free(file);
}

VT_TEST(a_file_with_wild_numbers_is_not_believed)
{
    size_t size, n_tries = vt_on_valgrind() ? 20 : 500;
    char *file = read_self(&size);
    ElfW(Ehdr) *header = (ElfW(Ehdr) *)(void *)file;
    size_t sections = header->e_shoff;
    size_t n = header->e_shnum * sizeof(ElfW(Shdr));

    srand(1);
    for (size_t i = 0; i < n_tries; i++) {
        size_t at = i % 2 == 0 ? (size_t)rand() % sizeof(*header)
                               : sections + (size_t)rand() % n;
        char before = file[at];

        file[at] = (char)rand();
        vetch__elf_function(file, size, value_of(some));
        file[at] = before;
    }
    free(file);
}

VT_TEST(a_stripped_file_has_no_names)
{
    size_t size;
    char *file = read_self(&size);

    ((ElfW(Ehdr) *)(void *)file)->e_shnum = 0;
    ck_assert_ptr_null(vetch__elf_function(file, size, value_of(some)));
    free(file);
}
