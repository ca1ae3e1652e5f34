/* lex.h - tokens of the address language
 *
 * One lexer serves keywords, parameters, option names, option values and the words of a command
 * line; they only differ in what ends them. Used inside this folder only. Rules: core specification
 * 2.2. */
#ifndef SPEC_LEX_H
#define SPEC_LEX_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define LEX_TOKEN_MAX 65535 /* bytes of one token, unquoted */

/* What ends a token, besides the end of the text. */
enum {
	END_DUAL = 1, /* !! */
	END_COMMA = 2,
	END_COLON = 4,
	END_EQUALS = 8,
	END_BLANK = 16,
	END_ROUND = 32, /* a closing parenthesis */
	END_SQUARE = 64, /* a closing square bracket */

	END_PARAM = END_DUAL | END_COMMA | END_COLON,
};

enum lex_result {
	LEX_OK,
	LEX_OPEN, /* ended inside a bracket, which then was meant literally */
	LEX_UNCLOSED, /* ended inside a quote */
	LEX_LONG, /* more than LEX_TOKEN_MAX bytes */
};

/* Letters that stand for a control character behind a backslash, and these characters in the same
 * order. \0 is not among them: it ends the token. */
extern const char lex_escape_letters[], lex_escape_bytes[];

/* True if a token that ends at @ends would end at @p. */
bool lex_at_end(const char *p, unsigned ends);

/* Take one token from *@p, which moves to what ended it, and append its meaning to @out. */
enum lex_result lex_token(const char **p, unsigned ends, struct str *out);

/* How long the word at @p is that may name a layer, in bytes; perhaps 0. Nothing is quoted in it.
 */
size_t lex_word_len(const char *p);

/* True if @p begins like a layer: a word, perhaps an empty one, with "+", "(" or "[" behind it. */
bool lex_like_layer(const char *p);

/* A token as a fresh string the caller owns, or NULL with @err: 'unexpected end of address
 * "@text"', or @too_long, a sentence with one %s for @shown, the text to blame. */
char *lex_take(const char **p, unsigned ends, const char *text, const char *too_long,
	       const char *shown, struct err *err);

#endif
