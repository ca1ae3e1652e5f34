/* spec.h - the address language: text to syntax tree and back
 *
 *   address = single [ "!!" single ]
 *   single  = { layer "+" } keyword { ":" parameter } [ "," options ]
 *   layer   = word [ "(" options ")" | "[" options "]" ]
 *   options = { [ name [ "=" value ] ] "," }
 *
 * Quotes, brackets and backslashes are resolved here; which keywords and options exist is none of
 * this file's business, and which words are layers is asked. Parsing, formatting and parsing again
 * agree on everything accepted: that is fuzzed. Rules: core specification 2.1 and 2.2; stacks:
 * doc/architecture.md. */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define SPEC_PARAMS_MAX 8
#define SPEC_LAYERS_MAX 8
#define SPEC_HALVES 2 /* of a dual address */

/* One option as written. Strings are unquoted and owned by the spec. */
struct spec_opt {
	char *name;
	char *value; /* NULL when there is no "=" */
	const char *rest; /* the text from this option on to the end of the address, or of what
			   * stands in a layer's brackets; for messages */
	size_t column; /* byte offset of the name in the text */
};

/* One layer of a stack as written: TLS(cafile=a). Owned by the spec. */
struct spec_layer {
	char *name;
	char *inside; /* what stands between the brackets, NULL without: the options' rest is in it
		       */
	struct spec_opt *opt;
	size_t nopts;
};

/* One half of a dual address, or the whole of a simple one. Keyword, parameters and options are the
 * transport's where there are layers. */
struct spec_single {
	struct spec_layer *layer; /* top first, as in the text */
	size_t nlayers; /* at most SPEC_LAYERS_MAX */
	char *keyword; /* may be "" where there are no layers */
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

/* Is this word of @len bytes, letters, digits, "-" and "_" in any case, the name of a layer? */
typedef bool spec_is_layer_fn(const char *word, size_t len);

/* Parse @text. @is_layer tells which words are layers; NULL: there are no stacks, and "+" has no
 * meaning. A text, or half of one, is a stack if it begins with a layer's word and "+", "(" or "["
 * behind it, unquoted; everything else is what it is without @is_layer, except that a word which is
 * no layer is refused where a stack is clearly meant: in one, with a layer behind it, or with
 * brackets and "+" behind it.
 *
 * Text behind the second half ("a!!b!!c") is ignored. An option with an empty name and a value
 * ("=x") ends the options of its half or layer silently, as in classic. Returns 0, or -1 with @err
 * and an empty @out: 'unexpected end of address "…"', 'keyword too long, in address "…"', 'address
 * "…" too long', 'option too long: "…"', 'too many parameters …'; of stacks, columns counted from 1
 * in bytes, 'unknown layer "…", in address "…"', 'empty layer name in column N, …', '"(" in column
 * N is not closed, …', '"+" and a transport expected in column N, behind layer …', 'no transport
 * behind layer …', 'more than 8 layers, …'. The caller frees with spec_done(). */
int spec_parse(struct spec *out, const char *text, spec_is_layer_fn *is_layer, struct err *err);

/* Free everything inside; harmless on an empty one. */
void spec_done(struct spec *s);

/* Append the address in a form that parses to the same tree, quoting what needs it. A keyword that
 * could be taken for layers is quoted, whichever words are layers. */
void spec_format(const struct spec *s, struct str *out);

/* Split an already unquoted EXEC command line into words with the same rules, blank being the only
 * terminator (core specification 2.2, address specification 8.2); leading and trailing blanks are
 * skipped. @words gets an allocated, NULL terminated array of allocated strings which the caller
 * frees with words_free(). Returns the number of words, or -1 with @err. */
int spec_split_words(const char *text, char ***words, struct err *err);
void words_free(char **words);

#endif
