/* json_escape.h - text as JSON */
#ifndef BASE_JSON_ESCAPE_H
#define BASE_JSON_ESCAPE_H

#include <stddef.h>

/* Write @text into @buf as it stands between the quotes of a JSON string (RFC 8259 section 7),
 * without them and without NUL: at most @cap bytes, and no character in part. Bytes that are no
 * UTF-8 become U+FFFD, control characters and DEL are escaped, the rest stays as it is. Returns how
 * many bytes were written. Touches nothing else: fit for signal handlers. */
size_t json_escape(char *buf, size_t cap, const char *text);

#endif
