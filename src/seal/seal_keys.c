/* seal_keys.c - the text of key files: hexadecimal digits or base64, a key a line */
#include "seal/seal.h"

#include <string.h>

#define HEX_LEN ((size_t)2 * SEAL_KEY)
#define BASE64_LEN ((size_t)(SEAL_KEY * 8 + 5) / 6) /* without '=' */

static bool decode_key(const struct seal_crypto *crypto, uint8_t *out, const char *text, size_t len)
{
	if (len == HEX_LEN)
		return crypto->from_hex(out, text, len);
	if (len == BASE64_LEN + 1 && text[len - 1] == '=')
		len--;
	return len == BASE64_LEN && crypto->from_base64(out, text, len);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut a comment and the blanks around what is left. */
static void trim(const char **line, size_t *len)
{
	const char *comment = memchr(*line, '#', *len);

	if (comment)
		*len = (size_t)(comment - *line);
	while (*len && is_blank((*line)[*len - 1]))
		--*len;
	while (*len && is_blank(**line)) {
		++*line;
		--*len;
	}
}

ssize_t seal_parse_keys(const struct seal_crypto *crypto, uint8_t (*out)[SEAL_KEY], size_t max,
			const char *text, size_t len, const char *name, struct err *err)
{
	const char *end = text + len;
	size_t n = 0, number = 0;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line = text;
		size_t line_len = (size_t)((newline ? newline : end) - text);

		number++;
		text = newline ? newline + 1 : end;
		trim(&line, &line_len);
		if (!line_len)
			continue;
		if (n == max)
			return err_set(err, 0, "\"%s\" line %zu: more than %zu keys", name, number,
				       max);
		if (!decode_key(crypto, out[n], line, line_len))
			return err_set(err, 0,
				       "\"%s\" line %zu is no key: expected %zu hexadecimal digits "
				       "or %d bytes in base64; comments begin with #",
				       name, number, HEX_LEN, SEAL_KEY);
		n++;
	}
	if (!n)
		return err_set(err, 0, "\"%s\" has no key; make one: socast --keygen", name);
	return (ssize_t)n;
}
