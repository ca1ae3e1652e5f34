/* help_topics.h - what --help knows beside the tables: topics, and examples of types
 *
 * Every line that begins with a blank and "socast" is an example; the tests take each through
 * --check. */
#ifndef HELP_TOPICS_H
#define HELP_TOPICS_H

struct help_topic {
	const char *names; /* as in names.h: what one may ask for */
	const char *help; /* in the list of topics */
	const char *text; /* lines, each with its newline */
};

/* Row @i; NULL behind the last. */
const struct help_topic *help_topic(unsigned i);

/* An example with an address of this type (canonical name), or NULL. */
const char *help_example(const char *type);

#endif
