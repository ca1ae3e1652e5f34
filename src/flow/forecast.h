/* forecast.h - what an end will be like, told without opening it
 *
 * Every address type foretells what its make() is going to build, so that --explain can ask the
 * code that chooses the path (flow.h). Entries of the file system and descriptors that are open
 * already are looked at, by stat(2) and its like; nothing is opened, changed or asked for. */
#ifndef FLOW_FORECAST_H
#define FLOW_FORECAST_H

#include "end/plan.h"
#include "flow/flow.h"

struct forecast {
	struct path_end in, out; /* what is read from, what is written to */
	const char
		*unknown; /* why nobody can tell before it is open, or NULL: then the rest counts */
};

/* Forecasts for the rows of types. @mode is the direction in which @half would be opened. */
typedef void forecast_fn(const struct half *half, enum open_mode mode, struct forecast *f);

forecast_fn forecast_packets; /* each read and write is one datagram */
forecast_fn forecast_stream; /* a stream socket of ours */
forecast_fn forecast_socket; /* by option type, or the row's */
forecast_fn forecast_entry; /* the entry that parameter 0 names */

/* Not for rows: both ends are of @kind, spliced where that can be done with it. */
void forecast_kind(struct forecast *f, enum fd_kind kind);

/* The open descriptors @rfd and @wfd. */
void forecast_fds(struct forecast *f, int rfd, int wfd);

/* The type of the entry at @path as it will be when @half is opened (option chdir counts): S_IFMT
 * bits, 0 if there is none. */
unsigned forecast_file_type(const struct half *half, const char *path);

/* What an address, or one half of a dual one, will be: the transport with what stands on it. @f is
 * zero. */
void forecast_half(const struct half *half, enum open_mode mode, struct forecast *f);

/* What the whole side will be; both halves if it is dual. */
void forecast_side(const struct side *side, enum open_mode mode, struct forecast *f);

#endif
