/* layer_target.c - who is at the other side of a layer, see layer_target.h */
#include "open/layer_target.h"

#include "open/addr_type.h"

#include <string.h>

static const struct layer_target none = { NULL, NULL };

bool layer_is_server(const struct half *half, size_t i)
{
	enum role role = half->layer[i].conf->role;
	bool server = half->type->flags & TYPE_ACCEPTS;

	while (i-- > 0)
		server |= half->layer[i].type->awaits;
	return role == ROLE_NATURAL ? server : role == ROLE_SERVER;
}

struct layer_target layer_target(const struct half *half, size_t i)
{
	const struct half_layer *l = &half->layer[i];

	if (!l->type->has_target)
		return none;
	if (l->own)
		return (struct layer_target){ l->conf->proxy.to_host, l->conf->proxy.to_port };
	return (struct layer_target){ half->param[half->nparams - 2],
				      half->param[half->nparams - 1] };
}

/* Its first parameters are whom it speaks to. */
static bool names_host(const struct addr_type *t)
{
	static const char host[] = ":<host>:<port>";

	return t->groups & (G_IP4 | G_IP6) &&
	       (t->flags & TYPE_CONNECTS || strncmp(t->syntax, host, sizeof(host) - 1) == 0);
}

struct layer_target layer_peer(const struct half *half, size_t i)
{
	const struct addr_type *t = half->type;

	while (i-- > 0) {
		struct layer_target target = layer_target(half, i);

		if (target.host)
			return target;
	}
	if (!names_host(t))
		return none;
	return (struct layer_target){ half->param[0],
				      t->server.port ? t->server.port(half) : half->param[1] };
}

static bool is_zero(const char *port)
{
	return port[strspn(port, "0")] == '\0';
}

int layer_target_check(const struct half_layer *layer, struct err *err)
{
	const struct conf *c = layer->conf;

	if (!layer->own && !c->proxy.to_host)
		return 0;
	if (!layer->own)
		return err_set(err, 0,
			       "%s: the target is given twice: among the parameters, and by option "
			       "to, which is for layers of a stack",
			       layer->name);
	if (!c->proxy.to_host)
		return err_set(err, 0, "%s has no target: %s(to=HOST:PORT)+...", layer->name,
			       layer->name);
	if (c->proxy.port || c->proxy.socksport)
		return err_set(err, 0,
			       "%s: the port of the server is given where it is connected: "
			       "%s(to=%s:%s)+TCP:<server>:<port>",
			       layer->name, layer->name, c->proxy.to_host, c->proxy.to_port);
	if (!layer->type->awaits && is_zero(c->proxy.to_port))
		return err_set(err, 0, "%s: nobody can be connected at port 0", layer->name);
	return 0;
}
