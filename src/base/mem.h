/* mem.h - memory for control data: never NULL
 *
 * Control data (plans, sessions, texts) is small and bounded; when even that cannot be had the
 * process ends with one sentence and status 1. Data buffers are different: they come from a
 * bounded pool (data/pool.h) which may refuse, and then a flow waits. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* As malloc(3), calloc(3), realloc(3), strdup(3), strndup(3); they never return NULL but end the
 * process. The caller frees with free(3). */
void *xmalloc(size_t len);
void *xcalloc(size_t n, size_t len);
void *xrealloc(void *old, size_t len);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
void *xmemdup(const void *data, size_t len);

/* printf into a fresh string which the caller frees. */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
