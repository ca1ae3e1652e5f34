/* registry.c - the explicit list of all address families
 *
 * A new family adds its array here and in addr.h. */
#include "addr/addr.h"
#include "addr/frames/frames_layer.h"
#include "addr/proxy/proxy_layers.h"
#include "addr/tls/tls_share.h"
#include "base/list.h"
#include "base/names.h"

#include <string.h>

/* clang-format off */
static const struct addr_family *const families[] = {
	&stdio_family,
	&file_family,
	&pipe_family,
	&text_family,
	&exec_family,
	&udp_family,
	&mcast_family,
	&rawip_family,
	&tcp_family,
	&tls_family,
	&dtls_family,
	&tun_family,
	&interface_family,
	&posixmq_family,
	&pty_family,
	&readline_family,
	&unix_family,
	&socket_family,
	&vsock_family,
	&acceptfd_family,
	&socks_family,
	&proxy_family,
	NULL,
};
/* clang-format on */

static const struct layer_type *const layers[] = {
	&tls_layer,         &dtls_layer,  &socks4_layer, &socks4a_layer, &socks5_layer,
	&socks5_bind_layer, &proxy_layer, &frames_layer, NULL,
};

const struct layer_type *layer_find(const char *word, size_t len)
{
	char name[32];

	if (len >= sizeof(name))
		return NULL;
	memcpy(name, word, len);
	name[len] = '\0';
	for (const struct layer_type *const *l = layers; *l; l++) {
		if (names_have((*l)->names, name))
			return *l;
	}
	return NULL;
}

const struct layer_type *layer_number(size_t i)
{
	return i < ARRAY_SIZE(layers) ? layers[i] : NULL;
}

int addr_each(int (*fn)(const struct addr_type *type, void *arg), void *arg)
{
	for (const struct addr_family *const *f = families; *f; f++) {
		for (size_t i = 0; i < (*f)->n; i++) {
			int rc = fn(&(*f)->type[i], arg);

			if (rc)
				return rc;
		}
	}
	return 0;
}

const struct addr_type *addr_find(const char *name)
{
	for (const struct addr_family *const *f = families; *f; f++) {
		for (size_t i = 0; i < (*f)->n; i++) {
			if (names_have((*f)->type[i].names, name))
				return &(*f)->type[i];
		}
	}
	return NULL;
}

const char *addr_missing(const struct addr_type *type)
{
	const char *why = type->layer ? type->layer->unavailable : NULL;

	return why ? why : type->unavailable;
}

const char *addr_suggest(const char *name, char *buf, size_t cap)
{
	struct names_near near;

	names_near_begin(&near, name);
	for (const struct addr_family *const *f = families; *f; f++) {
		for (size_t i = 0; i < (*f)->n; i++)
			names_near_offer(&near, (*f)->type[i].names);
	}
	return names_near_end(&near, buf, cap);
}
