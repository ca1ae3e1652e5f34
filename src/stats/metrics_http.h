/* metrics_http.h - the counters for a scraper: GET /metrics
 *
 * A small HTTP server in the loop. It answers one request per connection. Whoever comes is a
 * stranger: heads, connections and their time are bounded, and the connection that has been there
 * longest makes room for the next. What it tells are numbers and types of addresses, no data. */
#ifndef STATS_METRICS_HTTP_H
#define STATS_METRICS_HTTP_H

#include "base/err.h"
#include "sys/netaddr.h"

struct metrics_http;
struct relay;

/* The value of --metrics as a socket address: "9100" (of 127.0.0.1), "10.0.0.1:9100",
 * "[::1]:9100", or a path, which has a slash in it. Numbers only, no look-ups. Returns 0, or -1
 * with
 * @err. */
int metrics_where(struct netaddr *out, const char *text, struct err *err);

/* Listen at @where. NULL with @err: bad value, address in use. A UNIX socket that nobody listens at
 * any more is replaced. */
struct metrics_http *metrics_http_new(struct relay *relay, const char *where, struct err *err);

/* Close everything and remove the UNIX socket, unless the process that made it is another one. NULL
 * is fine. */
void metrics_http_free(struct metrics_http *h);

#endif
