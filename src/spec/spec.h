/* spec.h - the address language: text to syntax tree and back
 *
 *   address = single [ "!!" single ]
 *   single  = keyword { ":" parameter } { "," [ name [ "=" value ] ] }
 *
 * Quotes, brackets and backslashes are resolved here; which keywords and options exist is none of
 * this file's business. Parsing, formatting and parsing again agree on everything accepted: that
 * is fuzzed. Rules: core specification 2.1 and 2.2. */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define SPEC_PARAMS_MAX 8
#define SPEC_HALVES 2 /* of a dual address */

/* One option as written. Strings are unquoted and owned by the spec. */
struct spec_opt {
	char *name;
	char *value; /* NULL when there is no "=" */
	const char *rest; /* the text from this option on to the end of the address, for messages */
	size_t column; /* byte offset of the name in the text */
};

/* One half of a dual address, or the whole of a simple one. */
struct spec_single {
	char *keyword; /* may be "" */
	char *param[SPEC_PARAMS_MAX];
	size_t nparams;
	struct spec_opt *opt;
	size_t nopts;
};

struct spec {
	char *text; /* as given */
	size_t nsingles; /* 1, or 2 when dual */
	struct spec_single single[SPEC_HALVES];
};

/* Parse @text. Text behind the second half ("a!!b!!c") is ignored. An option with an empty name
 * and a value ("=x") ends the options of its half silently, as in classic. Returns 0, or -1 with
 * @err ('unexpected end of address "…"', 'keyword too long, in address "…"', 'address "…" too
 * long', 'option too long: "…"', 'too many parameters …') and an empty @out. The caller frees with
 * spec_done(). */
int spec_parse(struct spec *out, const char *text, struct err *err);

/* Free everything inside; harmless on an empty one. */
void spec_done(struct spec *s);

/* Append the address in a form that parses to the same tree, quoting what needs it. */
void spec_format(const struct spec *s, struct str *out);

/* Split an already unquoted EXEC command line into words with the same rules, blank being the only
 * terminator (core specification 2.2, address specification 8.2); leading and trailing blanks are
 * skipped. @words gets an allocated, NULL terminated array of allocated strings which the caller
 * frees with words_free(). Returns the number of words, or -1 with @err. */
int spec_split_words(const char *text, char ***words, struct err *err);
void words_free(char **words);

#endif
