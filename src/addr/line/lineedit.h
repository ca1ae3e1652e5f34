/* lineedit.h - what readline.c wants from a line editing library
 *
 * The library is loaded when the first address wants it, through a small module of ours
 * (lineedit_module.c), which exports the function "socast_lineedit" (lineedit_fn). An editor never
 * reads or writes the terminal: what was typed is fed to it, what it displays is handed out. It
 * only switches the terminal's mode. */
#ifndef ADDR_LINE_LINEEDIT_H
#define ADDR_LINE_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

struct lineedit;

enum lineedit_result {
	LINEEDIT_MORE, /* everything was used, the line is not finished */
	LINEEDIT_LINE, /* a line is finished */
	LINEEDIT_END, /* the end-of-file key on an empty line */
};

/* Takes @len bytes for the display. */
typedef void lineedit_put(void *arg, const char *data, size_t len);

struct lineedit_ops {
	/* An editor for the terminal @fd, which stays the caller's. NULL when there is no memory
	 * or the library does not like the terminal. */
	struct lineedit *(*open)(int fd, lineedit_put *put, void *arg);
	/* Give up the line being edited if there is one, put the terminal's mode back, free. */
	void (*close)(struct lineedit *le);
	/* Text in front of the line from the next display on; copied. */
	void (*prompt)(struct lineedit *le, const char *text, size_t len);
	/* Go on editing, or begin a line, with @len more bytes (0: just begin). @used gets how
	 * many were taken. After LINE and END no line is being edited. */
	enum lineedit_result (*feed)(struct lineedit *le, const char *data, size_t len,
				     size_t *used);
	/* The line finished last, without its newline; valid until the next feed. */
	const char *(*line)(struct lineedit *le);
	/* What has been typed of the line being edited; valid until the next call. */
	const char *(*typed)(struct lineedit *le);
	/* Take prompt and line off the display, and put them back below what came meanwhile. Only
	 * while a line is being edited. */
	void (*hide)(struct lineedit *le);
	void (*show)(struct lineedit *le);
	/* Forget the line being edited, as close() does; the terminal's mode is put back. */
	void (*abandon)(struct lineedit *le);
	/* Add a line to the history; walk the history, oldest first (NULL: no more). */
	void (*remember)(struct lineedit *le, const char *line);
	const char *(*recall)(struct lineedit *le, bool first);
	/* The process is going to be stopped, goes on, the window has another size. */
	void (*suspend)(struct lineedit *le);
	void (*resume)(struct lineedit *le);
	void (*resize)(struct lineedit *le);
};

typedef const struct lineedit_ops *lineedit_fn(void);

#endif
