/* procan.h - the parts of procan, one file each; all write to standard output */
#ifndef PROCAN_H
#define PROCAN_H

/* procan_defines.c: constants of the C library and the kernel as #define lines, for -c. */
void procan_print_defines(void);

/* procan_types.c: the compiler, limits of the C library, and the C types behind system types. */
void procan_print_compiler(void);
void procan_print_types(void);

#endif
