/* Names of functions, for log lines and the dump. */
#ifndef VETCH_SYMBOLS_PRIVATE_H
#define VETCH_SYMBOLS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#define VETCH__FUNCTION_NAME 160

/* The name of a function, a static one included; where there is no symbol table
 * it is the file and a place in it, which addr2line(1) understands. Writes at
 * most VETCH__FUNCTION_NAME bytes. Thread: any. */
const char *vetch__function_name(const void *fn, char *to);

/* The function that begins at `value` in an ELF file, by its symbol table; NULL
 * if there is none. The name lies in the file, which is not trusted. */
const char *vetch__elf_function(const void *file, size_t size, uintptr_t value);

#endif
