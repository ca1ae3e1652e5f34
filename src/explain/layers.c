/* layers.c - what stands on the transport of an address, in plain sentences
 *
 * Told from the lowest layer up, as what is read comes through them. What a layer does, whom it
 * verifies and what it says by itself comes from its row; what reaches how far encrypted follows
 * from their order. */
#include "base/names.h"
#include "explain/parts.h"
#include "open/addr_type.h"
#include "open/layer_target.h"

#include <string.h>

/* @fallback where nobody can be named. */
static void add_who(struct str *out, struct layer_target who, const char *fallback)
{
	if (who.host)
		str_addf(out, "%s:%s", who.host, who.port);
	else
		str_adds(out, fallback);
}

/* @text of a row, with the names of layer @i in their places. */
static void add_filled(struct str *out, const char *text, const struct half *h, size_t i)
{
	static const char peer[] = "{peer}", target[] = "{target}";

	while (*text) {
		if (strncmp(text, peer, sizeof(peer) - 1) == 0) {
			add_who(out, layer_peer(h, i), "the other side");
			text += sizeof(peer) - 1;
		} else if (strncmp(text, target, sizeof(target) - 1) == 0) {
			add_who(out, layer_target(h, i), "its target");
			text += sizeof(target) - 1;
		} else {
			str_addc(out, *text++);
		}
	}
}

/* The highest layer that stays and encrypts, among those below @end; or @end: none does. */
static size_t find_encrypting(const struct half *h, size_t end)
{
	for (size_t i = end; i-- > 0;) {
		if (h->layer[i].type->encrypts)
			return i;
	}
	return end;
}

static void add_whom(struct str *out, const struct half *h, size_t i, bool *verified)
{
	const struct layer_type *t = h->layer[i].type;

	if (t->whom) {
		str_adds(out, "    ");
		*verified = t->whom(h, i, out);
		str_addc(out, '\n');
	} else if (t->has_target && !*verified) {
		str_adds(out, "    The server is not verified: whoever answers is taken for it.\n");
	}
}

/* Whoever is connected to by what stands between @low and @high ends what @low encrypts. */
static bool goes_beyond(const struct half *h, size_t low, size_t high)
{
	while (++low < high) {
		if (h->layer[low].type->has_target)
			return true;
	}
	return false;
}

/* What it says by itself, and where others can read it. */
static void add_told(struct str *out, const struct half *h, size_t i)
{
	const struct layer_type *t = h->layer[i].type;
	size_t low = find_encrypting(h, i);
	struct str told = { 0 };

	if (t->tells)
		t->tells(h, i, &told);
	if (told.len && low == i) {
		str_addf(out, "    It tells the server %s, unencrypted.\n", told.data);
	} else if (told.len && goes_beyond(h, low, i)) {
		str_addf(out, "    It tells the server %s, unencrypted from ", told.data);
		add_who(out, layer_peer(h, low), "the other side");
		str_adds(out, " on.\n");
	}
	str_done(&told);
}

static void add_layer(struct str *out, const struct half *h, size_t i, bool *verified)
{
	const struct half_layer *l = &h->layer[i];
	bool server = layer_is_server(h, i);
	char name[64];

	names_get(l->type->names, 0, name, sizeof(name));
	str_addf(out, "  On %s %s %s, as %s: it ", i ? "that" : "it",
		 l->own ? "stands" : "always stands", l->own ? l->name : name,
		 server ? "server" : "client");
	add_filled(out, server ? l->type->serves : l->type->does, h, i);
	str_adds(out, ".\n");
	add_whom(out, h, i, verified);
	add_told(out, h, i);
	if (l->type->leaves)
		add_filled(out, "    Then it is gone: what it stands on is the way to {target}.\n",
			   h, i);
	if (l->own)
		explain_options(out, &l->opts, "    ");
}

/* The last one whom somebody is asked to connect to, above layer @i. */
static struct layer_target last_target(const struct half *h, size_t i)
{
	struct layer_target none = { NULL, NULL };

	for (size_t k = h->nlayers; k-- > i + 1;) {
		if (h->layer[k].type->has_target)
			return layer_target(h, k);
	}
	return none;
}

/* How far nobody else can read what the session sends. */
static void add_reach(struct str *out, const struct half *h)
{
	size_t i = find_encrypting(h, h->nlayers);
	struct layer_target beyond;

	if (i == h->nlayers) {
		str_adds(out, "  No layer encrypts what the session sends.\n");
		return;
	}
	beyond = last_target(h, i);
	str_adds(out, "  What the session sends is encrypted as far as ");
	if (layer_is_server(h, i))
		str_adds(out, "the client");
	else
		add_who(out, layer_peer(h, i), "the other side");
	if (beyond.host)
		str_addf(out, ", and goes on to %s:%s as it is", beyond.host, beyond.port);
	str_adds(out, ".\n");
}

void explain_layers(struct str *out, const struct half *h)
{
	bool verified = false; /* the other side of what has been told */

	for (size_t i = 0; i < h->nlayers; i++)
		add_layer(out, h, i, &verified);
	if (h->nlayers)
		add_reach(out, h);
}
