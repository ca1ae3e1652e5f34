/* json.h - read a JSON text into a tree (RFC 8259)
 *
 * For the output of programs: bounded in depth and size, everything else is refused. */
#ifndef DOCTOR_JSON_H
#define DOCTOR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	char *name; /* of a member of an object, else NULL */
	char *text; /* of a string; bytes beyond ASCII written as \u become '?' */
	int64_t number; /* of a number, without fraction; of a bool 0 or 1 */
	struct json *child; /* first element or member */
	struct json *next; /* the one behind this in its array or object */
};

/* The tree of @text, of @len bytes; the caller frees it. NULL: it is no JSON, or is nested deeper
 * than 64. */
struct json *json_parse(const char *text, size_t len);
void json_free(struct json *j);

/* Member @name of object @j, or NULL; also when @j is NULL or no object. */
const struct json *json_member(const struct json *j, const char *name);

/* Text of the string that is member @name of @j, or "". */
const char *json_text(const struct json *j, const char *name);

#endif
