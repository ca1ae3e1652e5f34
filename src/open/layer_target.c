/* layer_target.c - what a layer has the server in between connect to, see layer_target.h */
#include "open/layer_target.h"

#include "open/addr_type.h"

static const struct layer_target none = { NULL, NULL };

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

struct layer_target layer_peer(const struct half *half, size_t i)
{
	const struct addr_type *t = half->type;

	while (i-- > 0) {
		struct layer_target target = layer_target(half, i);

		if (target.host)
			return target;
	}
	if (t->flags & TYPE_CONNECTS && t->groups & (G_IP4 | G_IP6))
		return (struct layer_target){ half->param[0], half->param[1] };
	return none;
}

bool layer_is_server(const struct half *half, size_t i)
{
	enum role role = half->layer[i].conf->role;

	return role == ROLE_NATURAL ? half->type->flags & TYPE_ACCEPTS : role == ROLE_SERVER;
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
	return 0;
}
