/* privilege.c - what a line may do only with privileges
 *
 * Types and options say in their rows which capability they need. Ports are a case of their own:
 * from where on everybody may bind to them is a setting of the kernel. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/names.h"
#include "explain/parts.h"
#include "sys/port.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VSOCK_PORT_START 1024 /* of VSOCK it cannot be set (net/vmw_vsock/af_vsock.c) */

/* clang-format off */
static const struct {
	const char *name;
	unsigned bit;
} capabilities[] = {
	{ "CAP_CHOWN", CAP_CHOWN }, { "CAP_FOWNER", CAP_FOWNER }, { "CAP_SETGID", CAP_SETGID },
	{ "CAP_SETUID", CAP_SETUID }, { "CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE },
	{ "CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE }, { "CAP_NET_ADMIN", CAP_NET_ADMIN },
	{ "CAP_NET_RAW", CAP_NET_RAW }, { "CAP_SYS_CHROOT", CAP_SYS_CHROOT },
	{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN }, { "CAP_SYS_RESOURCE", CAP_SYS_RESOURCE },
};
/* clang-format on */

/* Does this process have the capability that @needs begins with? */
static bool has(const char *needs)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	size_t len = strcspn(needs, " ,");

	if (syscall(SYS_capget, &head, data) == -1)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		unsigned bit = capabilities[i].bit;

		if (strlen(capabilities[i].name) == len &&
		    strncmp(capabilities[i].name, needs, len) == 0)
			return data[bit / 32].effective >> bit % 32 & 1;
	}
	return false;
}

static void add_verdict(struct str *out, const char *needs)
{
	str_addf(out, " needs %s; this process %s.\n", needs, has(needs) ? "has it" : "lacks it");
}

/* The first port that everybody may bind to. */
static int64_t first_free_port(const struct addr_type *t)
{
	return t->net.family == AF_VSOCK ? VSOCK_PORT_START : port_first_free();
}

static void add_port(struct str *out, const struct plan *plan, int i, size_t k, const char *text)
{
	const struct half *h = &plan->side[i].half[k];
	int64_t port, first = first_free_port(h->type);
	enum num_result how = num_parse(text, &port, NULL);

	if (how == NUM_OK && (port == 0 || port >= first))
		return;
	if (how == NUM_OK)
		str_addf(out, "  Port %s of ", text);
	else
		str_addf(out, "  If service %s has a port below %d, ", text, (int)first);
	add_half_name(out, plan, i, k);
	if (how == NUM_OK)
		str_addf(out, " is below %d and", (int)first);
	add_verdict(out, "CAP_NET_BIND_SERVICE");
}

/* What a client binds to: options bind and sourceport. */
static void add_client_port(struct str *out, const struct plan *plan, int i, size_t k)
{
	const struct half *h = &plan->side[i].half[k];
	const struct conf *c = &h->conf;
	const char *bind = h->type->groups & (G_IP4 | G_IP6) ? c->sock.bind : NULL,
		   *colon = bind ? strrchr(bind, ':') : NULL;
	char text[24];

	if (colon && colon[1] && !strchr(colon, ']'))
		add_port(out, plan, i, k, colon + 1);
	if (c->sock.sourceport >= 0) {
		snprintf(text, sizeof(text), "%lld", (long long)c->sock.sourceport);
		add_port(out, plan, i, k, text);
	}
}

static void add_half(struct str *out, const struct plan *plan, int i, size_t k)
{
	const struct half *h = &plan->side[i].half[k];
	enum open_mode mode;
	char name[64];

	if (!half_mode(plan, i, k, &mode))
		return;
	if (h->type->needs) {
		str_addf(out, "  %s as ", names_get(h->type->names, 0, name, sizeof(name)));
		add_half_name(out, plan, i, k);
		add_verdict(out, h->type->needs);
	}
	if (h->type->local_port)
		add_port(out, plan, i, k, h->param[h->type->local_port - 1]);
	else
		add_client_port(out, plan, i, k);
	for (size_t n = 0; n < h->opts.n; n++) {
		const struct opt *o = &h->opts.opt[n];

		if (!o->row->needs)
			continue;
		str_addf(out, "  Option %s of ", o->spec->name);
		add_half_name(out, plan, i, k);
		add_verdict(out, o->row->needs);
	}
}

void explain_privileges(struct str *out, const struct plan *plan)
{
	size_t before;

	str_adds(out, "Privileges\n");
	before = out->len;
	for (int i = 0; i < (int)plan->nsides; i++) {
		for (size_t k = 0; k < plan->side[i].nhalves; k++)
			add_half(out, plan, i, k);
	}
	if (out->len == before)
		str_adds(out, "  None, besides permission for the files and programs named.\n");
}
