/* What the fuzz targets share. A target is one file, fuzz/NAME.c, found by the build: it feeds bytes to a parser and says what must hold of
 * every answer. Whatever does not hold ends the process, as a sanitizer's finding does. */
#ifndef FUZZ_H
#define FUZZ_H

#include "base/base.h"

/* What every engine that fuzzes calls: libFuzzer in `make fuzz`, tests/test_corpora.c in `make check`. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, saying what did not hold. */
#define CHECK(holds) ((holds) ? (void)0 : check_failed(__FILE__, __LINE__, #holds))
void check_failed(const char *file, int line, const char *what);

/* Around what a parser does with `size` bytes of input. An error has a message, which is text that can be printed, and success has none; and
 * what is refused took no more memory than a refused file may: 32 MiB and four times its size. */
void refusal_begin(void);
void refusal_end(weft_status status, const weft_error *err, size_t size);

/* The functions of base/file.c that read and write whole files are replaced here, at link time, by some that know the files below and no
 * others: parsers whose interface is a path need no disk. They stay until they are written anew, and targets share them. */
void memory_file_put(const char *path, const void *data, size_t size); /* a copy */
/* What a path holds, of file_write, too; it must be there. */
const bytes *memory_file(const char *path);

/* For files that are read into something that can be written: `rewrite` reads the file at `path` and writes what it has read to the same
 * place. What it wrote it must read, and write the same again. */
void check_rewrite(const char *path, const uint8_t *data, size_t size, weft_status (*rewrite)(arena *a, weft_error *err));

/* The input with a NUL behind it, to be given back with free. */
char *text_of(const uint8_t *data, size_t size);

/* ---- Safetensors, in targets of what lies in them ---- */

/* A file that says its own SHA-256 gets the right one, so that what lies behind that check is reached, too. */
void mend_digest(unsigned char *file, size_t size);

#endif
