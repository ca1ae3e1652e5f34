/* hosts.c - names of hosts in values of options, and what they mean, see hosts.h */
#include "sys/hosts.h"

#include "base/mem.h"
#include "sys/resolve.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static struct host *find(const struct hosts *h, const char *name, int family)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->host[i].family == family && strcmp(h->host[i].name, name) == 0)
			return &h->host[i];
	}
	return NULL;
}

static void note(struct hosts *h, const char *name, int family)
{
	h->host = xrealloc(h->host, (h->n + 1) * sizeof(*h->host));
	h->host[h->n++] = (struct host){ .name = xstrdup(name), .family = family };
}

int hosts_find(struct hosts *h, const char *name, int family, struct netaddr *out, struct err *err)
{
	const struct host *known;

	if (!h)
		return resolve_host(name, family, out, err);
	if (resolve_number(name, family, out))
		return 0;
	known = find(h, name, family);
	if (known && known->addr.len) {
		*out = known->addr;
		return 0;
	}
	if (known && known->why)
		return err_set(err, 0, "%s", known->why);
	if (!resolve_may_be_name(name))
		return err_set(err, 0, "xioresolve(node=\"%s\", pf=%d, ...): %s", name, family,
			       gai_strerror(EAI_NONAME));
	if (!h->collecting)
		return err_set(err, 0, "xioresolve(node=\"%s\", pf=%d, ...): not looked up", name,
			       family);
	if (!known)
		note(h, name, family);
	netaddr_any(out, family, 0);
	return 0;
}

int hosts_lookup(void *h, const char *name, int family, struct netaddr *out, struct err *err)
{
	return hosts_find(h, name, family, out, err);
}

struct host *hosts_unknown(struct hosts *h)
{
	for (size_t i = 0; i < h->n; i++) {
		if (!h->host[i].addr.len && !h->host[i].why)
			return &h->host[i];
	}
	return NULL;
}

void hosts_done(struct hosts *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->host[i].name);
		free(h->host[i].why);
	}
	free(h->host);
	*h = (struct hosts){ 0 };
}
