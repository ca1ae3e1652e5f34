/* destination.c - what a datagram was sent to, see destination.h */
#include "dgram/destination.h"

#include "base/mem.h"
#include "dgram/ancillary.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NETWORKS_MAX 16

struct dst_rule {
	unsigned types; /* enum dst_type */
	size_t n;
	struct range network[NETWORKS_MAX];
};

/* One item of the list: a word, or a network; a plain address is a network of its own. */
static int add_item(struct dst_rule *r, const char *item, int family, struct err *err)
{
	char *text;
	int rc;

	for (unsigned type = DST_UNICAST; type <= DST_BROADCAST; type *= 2) {
		if (strcmp(item, dst_type_word((enum dst_type)type)) == 0) {
			r->types |= type;
			return 0;
		}
	}
	if (r->n == NETWORKS_MAX)
		return err_set(err, 0, "option \"dst\": more than %d networks", NETWORKS_MAX);
	text = strchr(item, '/') ? xstrdup(item)
				 : xasprintf("%s/%d", item, family == AF_INET6 ? 128 : 32);
	rc = range_parse(&r->network[r->n], text, family, NULL, NULL, err);
	free(text);
	if (rc == -1)
		return err_set(err, 0,
			       "option \"dst=%s\": expected unicast, multicast, broadcast, an "
			       "address or a network of this version of IP, joined by '+'",
			       item);
	r->n++;
	return 0;
}

struct dst_rule *dst_rule_new(const char *text, int family, struct err *err)
{
	struct dst_rule *r = xcalloc(1, sizeof(*r));

	for (const char *p = text;; p++) {
		char *item = xstrndup(p, strcspn(p, "+"));
		int rc = add_item(r, item, family, err);

		free(item);
		if (rc == -1) {
			free(r);
			return NULL;
		}
		p += strcspn(p, "+");
		if (!*p)
			return r;
	}
}

struct dst_rule *dst_rule_copy(const struct dst_rule *r)
{
	return xmemdup(r, sizeof(*r));
}

bool dst_rule_permits(const struct dst_rule *r, const struct message *m)
{
	struct netaddr dst;
	enum dst_type type;

	if (!ancillary_destination_type(m, &dst, &type))
		return true;
	if (r->types & type)
		return true;
	for (size_t i = 0; i < r->n; i++) {
		if (range_match(&r->network[i], &dst))
			return true;
	}
	return false;
}
