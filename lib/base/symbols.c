/* Names of functions.
 *
 * The dynamic linker knows what is exported. The callbacks of a program are
 * not; they are in the symbol table of its file, if that has not been stripped.
 * It is mapped, searched and unmapped, which takes a moment, so the last names
 * are remembered until a library is loaded or unloaded. */

#include "base/symbols-private.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_REMEMBERED 64

/* ---- in a file ---- */

struct image {
    const char *bytes;
    size_t size;
};

/* `n` things of `size` bytes at `offset`, or NULL. */
static const void *
image_at(const struct image *im, size_t offset, size_t n, size_t size)
{
    if (offset > im->size || n > (im->size - offset) / size)
        return NULL;
    if (offset % sizeof(void *) != 0 && size > 1)
        return NULL;
    return im->bytes + offset;
}

static const ElfW(Ehdr) * elf_header(const struct image *im)
{
    const ElfW(Ehdr) *header = image_at(im, 0, 1, sizeof(*header));
    int class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

    if (header == NULL || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != class ||
        header->e_shentsize != sizeof(ElfW(Shdr)) ||
        header->e_phentsize != sizeof(ElfW(Phdr)))
        return NULL;
    return header;
}

/* The string at `offset` of a string table, if it ends there. */
static const char *
elf_string(const struct image *im, const ElfW(Shdr) * table, size_t offset)
{
    const char *strings = image_at(im, table->sh_offset, table->sh_size, 1);

    if (strings == NULL || offset >= table->sh_size ||
        memchr(strings + offset, '\0', table->sh_size - offset) == NULL)
        return NULL;
    return strings + offset;
}

static const char *
elf_search(const struct image *im, const ElfW(Shdr) * table,
           const ElfW(Shdr) * strings, uintptr_t value)
{
    size_t n = table->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *symbols =
        image_at(im, table->sh_offset, n, sizeof(*symbols));

    for (size_t i = 0; symbols != NULL && i < n; i++) {
        if (symbols[i].st_value == value &&
            ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC)
            return elf_string(im, strings, symbols[i].st_name);
    }
    return NULL;
}

const char *
vetch__elf_function(const void *file, size_t size, uintptr_t value)
{
    struct image im = { file, size };
    const ElfW(Ehdr) *header = elf_header(&im);
    const ElfW(Shdr) * sections;

    if (header == NULL)
        return NULL;
    sections =
        image_at(&im, header->e_shoff, header->e_shnum, sizeof(*sections));
    for (size_t i = 0; sections != NULL && i < header->e_shnum; i++) {
        if (sections[i].sh_type == SHT_SYMTAB &&
            sections[i].sh_link < header->e_shnum)
            return elf_search(&im, &sections[i], &sections[sections[i].sh_link],
                              value);
    }
    return NULL;
}

/* ---- in the process ---- */

struct loaded {
    uintptr_t address; /* the function's */
    uintptr_t bias;    /* what is added to the values in the file */
    const char *path;  /* "" for the program; NULL: not found */
    const ElfW(Phdr) * segments;
    size_t n_segments;
    unsigned long long n_changes; /* libraries loaded and unloaded */
};

static int
find_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct loaded *l = arg;

    if (size >=
        offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs))
        l->n_changes = info->dlpi_adds + info->dlpi_subs;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type != PT_LOAD || l->address < begin ||
            l->address - begin >= segment->p_memsz)
            continue;
        l->bias = info->dlpi_addr;
        l->path = info->dlpi_name;
        l->segments = info->dlpi_phdr;
        l->n_segments = info->dlpi_phnum;
        return 1;
    }
    return 0;
}

/* The file may have been replaced since it was loaded. */
static bool
is_what_was_loaded(const struct image *im, const struct loaded *l)
{
    const ElfW(Ehdr) *header = elf_header(im);
    const void *segments;

    if (header == NULL || header->e_phnum != l->n_segments)
        return false;
    segments = image_at(im, header->e_phoff, l->n_segments, sizeof(ElfW(Phdr)));
    return segments != NULL && memcmp(segments, l->segments,
                                      l->n_segments * sizeof(ElfW(Phdr))) == 0;
}

static bool
name_from_image(const struct image *im, const struct loaded *l, char *to)
{
    const char *name = NULL;

    if (is_what_was_loaded(im, l))
        name = vetch__elf_function(im->bytes, im->size, l->address - l->bias);
    if (name == NULL)
        return false;
    snprintf(to, VETCH__FUNCTION_NAME, "%s", name);
    return true;
}

static bool
name_from_file(const char *path, const struct loaded *l, char *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *bytes = MAP_FAILED;
    bool found = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes != MAP_FAILED) {
        struct image im = { bytes, (size_t)st.st_size };

        found = name_from_image(&im, l, to);
        munmap(bytes, im.size);
    }
    return found;
}

static void
name_by_linker(const void *fn, const struct loaded *l, char *to)
{
    Dl_info info;

    if (dladdr(fn, &info) == 0 || info.dli_fname == NULL)
        snprintf(to, VETCH__FUNCTION_NAME, "%p", fn);
    else if (info.dli_sname != NULL && info.dli_saddr == fn)
        snprintf(to, VETCH__FUNCTION_NAME, "%s", info.dli_sname);
    else if (l->path == NULL || !name_from_file(info.dli_fname, l, to))
        snprintf(to, VETCH__FUNCTION_NAME, "%.120s+0x%" PRIxPTR, info.dli_fname,
                 (uintptr_t)fn - (uintptr_t)info.dli_fbase);
}

/* The linker knows the program by the name it was called by, which leads
 * nowhere after a change of the directory. */
static void
name_anew(const void *fn, const struct loaded *l, char *to)
{
    if (l->path == NULL || l->path[0] != '\0' ||
        !name_from_file("/proc/self/exe", l, to))
        name_by_linker(fn, l, to);
}

/* ---- what was asked before ---- */

static struct {
    pthread_mutex_t lock;
    unsigned long long n_changes;
    struct {
        const void *fn;
        char name[VETCH__FUNCTION_NAME];
    } names[N_REMEMBERED];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

const char *
vetch__function_name(const void *fn, char *to)
{
    struct loaded l = { .address = (uintptr_t)fn };
    size_t i = ((uintptr_t)fn >> 4) % N_REMEMBERED;

    dl_iterate_phdr(find_loaded, &l);
    pthread_mutex_lock(&memory.lock);
    if (memory.n_changes != l.n_changes)
        memset(memory.names, 0, sizeof(memory.names));
    memory.n_changes = l.n_changes;
    if (memory.names[i].fn != fn || fn == NULL) {
        memory.names[i].fn = fn;
        name_anew(fn, &l, memory.names[i].name);
    }
    memcpy(to, memory.names[i].name, VETCH__FUNCTION_NAME);
    pthread_mutex_unlock(&memory.lock);
    return to;
}
