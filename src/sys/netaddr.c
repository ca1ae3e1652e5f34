/* netaddr.c - one type for all socket addresses, see netaddr.h
 *
 * Renderings are the classic ones: IPv6 is never compressed, names of UNIX sockets are quoted and
 * their bytes escaped. IPv4 and IPv4-mapped IPv6 count as the same family for ranges only. */
#include "sys/netaddr.h"

#include "base/escape.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>

#define UNIX_NAME_OFFSET offsetof(struct sockaddr_un, sun_path)
#define HOST_MAX 1024 /* bytes of a host name, RFC 1035 allows 255 */
#define OTHER_DATA 14 /* bytes shown of unknown families: sa_data */

/* Bytes of a UNIX name: none when unnamed, up to the NUL for a path, all for an abstract one. */
static size_t unix_name_len(const struct netaddr *a)
{
	size_t len = a->len > UNIX_NAME_OFFSET ? a->len - UNIX_NAME_OFFSET : 0;

	if (len > sizeof(a->raw) - UNIX_NAME_OFFSET)
		len = sizeof(a->raw) - UNIX_NAME_OFFSET;
	return len && a->un.sun_path[0] ? strnlen((const char *)a->raw + UNIX_NAME_OFFSET, len)
					: len;
}

/* The name with unprintable bytes escaped, or "<anon>". */
static void unix_text(const struct netaddr *a, char *buf, size_t cap)
{
	const uint8_t *name = a->raw + UNIX_NAME_OFFSET;
	size_t n = unix_name_len(a), at = 0;

	if (!n) {
		snprintf(buf, cap, "<anon>");
		return;
	}
	for (size_t i = 0; i < n && cap - at > 4; i++) {
		if (name[i] < 0x20 || name[i] > 0x7e)
			at += escape_byte(buf + at, name[i]);
		else
			buf[at++] = (char)name[i];
	}
	buf[at] = '\0';
}

/* raw has no alignment of its own to offer for sockaddr_vm. */
static struct sockaddr_vm vsock_of(const struct netaddr *a)
{
	struct sockaddr_vm vm;

	memcpy(&vm, a->raw, sizeof(vm));
	return vm;
}

const char *netaddr_ip6_text(const struct in6_addr *ip, char buf[NETADDR_TEXT_LEN])
{
	int at = 0;

	for (int i = 0; i < 16; i += 2)
		at += snprintf(buf + at, NETADDR_TEXT_LEN - (size_t)at, "%c%02x%02x", i ? ':' : '[',
			       ip->s6_addr[i], ip->s6_addr[i + 1]);
	snprintf(buf + at, NETADDR_TEXT_LEN - (size_t)at, "]");
	return buf;
}

const char *netaddr_host_text(const struct netaddr *a, char buf[NETADDR_TEXT_LEN])
{
	int at;

	switch (a->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->in.sin_addr, buf, NETADDR_TEXT_LEN);
		break;
	case AF_INET6:
		netaddr_ip6_text(&a->in6.sin6_addr, buf);
		break;
	case AF_UNIX:
	case AF_UNSPEC:
		unix_text(a, buf, NETADDR_TEXT_LEN);
		break;
	case AF_VSOCK:
		snprintf(buf, NETADDR_TEXT_LEN, "%u", vsock_of(a).svm_cid);
		break;
	default:
		at = snprintf(buf, NETADDR_TEXT_LEN, "AF=%d 0x", a->any.sa_family);
		for (int i = 0; i < OTHER_DATA; i++)
			at += snprintf(buf + at, NETADDR_TEXT_LEN - (size_t)at, "%02x",
				       a->raw[sizeof(sa_family_t) + (size_t)i]);
	}
	return buf;
}

const char *netaddr_text(const struct netaddr *a, char buf[NETADDR_TEXT_LEN])
{
	char host[NETADDR_TEXT_LEN];
	int af = a->any.sa_family;

	switch (af) {
	case AF_INET:
	case AF_INET6:
		snprintf(buf, NETADDR_TEXT_LEN, "AF=%d %.64s:%u", af, netaddr_host_text(a, host),
			 netaddr_port(a));
		break;
	case AF_UNIX:
	case AF_UNSPEC:
		snprintf(buf, NETADDR_TEXT_LEN, "AF=%d \"%.480s\"", af, netaddr_host_text(a, host));
		break;
	case AF_VSOCK:
		snprintf(buf, NETADDR_TEXT_LEN, "AF=%d cid:%u port:%u", af, vsock_of(a).svm_cid,
			 vsock_of(a).svm_port);
		break;
	default:
		snprintf(buf, NETADDR_TEXT_LEN, "AF=%d %.480s", af, netaddr_host_text(a, host));
	}
	return buf;
}

unsigned netaddr_port(const struct netaddr *a)
{
	switch (a->any.sa_family) {
	case AF_INET:
		return ntohs(a->in.sin_port);
	case AF_INET6:
		return ntohs(a->in6.sin6_port);
	case AF_VSOCK:
		return vsock_of(a).svm_port;
	}
	return 0;
}

void netaddr_set_port(struct netaddr *a, unsigned port)
{
	switch (a->any.sa_family) {
	case AF_INET:
		a->in.sin_port = htons((uint16_t)port);
		break;
	case AF_INET6:
		a->in6.sin6_port = htons((uint16_t)port);
		break;
	case AF_VSOCK:
		memcpy(a->raw + offsetof(struct sockaddr_vm, svm_port), &port, sizeof(port));
		break;
	}
}

void netaddr_any(struct netaddr *a, int family, unsigned port)
{
	*a = (struct netaddr){ 0 };
	a->len = family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
	a->any.sa_family = (sa_family_t)family;
	netaddr_set_port(a, port);
}

bool netaddr_same_host(const struct netaddr *a, const struct netaddr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	case AF_INET6:
		return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
	case AF_UNIX:
		return unix_name_len(a) == unix_name_len(b) &&
		       memcmp(a->raw + UNIX_NAME_OFFSET, b->raw + UNIX_NAME_OFFSET,
			      unix_name_len(a)) == 0;
	case AF_VSOCK:
		return vsock_of(a).svm_cid == vsock_of(b).svm_cid;
	}
	return a->len == b->len && memcmp(a->raw, b->raw, a->len) == 0;
}

bool netaddr_same(const struct netaddr *a, const struct netaddr *b)
{
	return netaddr_same_host(a, b) && netaddr_port(a) == netaddr_port(b);
}

bool netaddr_is_multicast(const struct netaddr *a)
{
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
	return a->any.sa_family == AF_INET && IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
}

bool netaddr_is_any(const struct netaddr *a)
{
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
	return a->any.sa_family == AF_INET && a->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool netaddr_is_broadcast(const struct netaddr *a)
{
	return a->any.sa_family == AF_INET && a->in.sin_addr.s_addr == htonl(INADDR_BROADCAST);
}

/* Address bytes of the @len bytes long @host, a number or else a name, of r->family. */
static int range_host(const struct range *r, const char *host, size_t len, const char *text,
		      netaddr_lookup *lookup, void *arg, uint8_t *out, struct err *err)
{
	char name[HOST_MAX + 1];
	struct netaddr found = { 0 };
	struct err why = { 0 };
	bool known = false;

	if (len > 0 && len < sizeof(name) && !memchr(host, '\0', len)) {
		memcpy(name, host, len);
		name[len] = '\0';
		/* inet_aton() would accept text behind a blank. */
		if (r->family == AF_INET6)
			known = inet_pton(AF_INET6, name, &found.in6.sin6_addr) == 1;
		else
			known = !strpbrk(name, " \t\r\n\v\f") &&
				inet_aton(name, &found.in.sin_addr);
		if (!known && lookup)
			known = lookup(arg, name, r->family, &found, &why) == 0;
	}
	if (!known)
		return err_set(err, 0, "failed to parse or resolve range \"%s\" (pf=%d)%s%s", text,
			       r->family, why.text[0] ? ": " : "", why.text);
	memcpy(out,
	       r->family == AF_INET6 ? (void *)&found.in6.sin6_addr : (void *)&found.in.sin_addr,
	       r->len);
	return 0;
}

/* Number of leading one bits at @text into r->mask. */
static enum num_result range_bits(struct range *r, const char *text)
{
	const char *end;
	int64_t bits;
	enum num_result rc;

	if (*text < '0' || *text > '9')
		return NUM_MISSING;
	rc = num_parse_base(text, 10, &bits, &end);
	if (*end)
		return NUM_TRAILING;
	if (rc == NUM_RANGE || bits < 0 || bits > (int64_t)r->len * 8)
		return NUM_RANGE;
	for (size_t i = 0; i < (size_t)bits; i++)
		r->mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return NUM_OK;
}

static int range_ip4(struct range *r, const char *text, netaddr_lookup *lookup, void *arg,
		     struct err *err)
{
	const char *sep = strpbrk(text, "/:");

	r->len = 4;
	if (!sep) { /* one host, as every firewall takes it */
		sep = text + strlen(text);
		memset(r->mask, 0xff, 4);
	} else if (*sep == ':') {
		if (range_host(r, sep + 1, strlen(sep + 1), text, lookup, arg, r->mask, err) == -1)
			return -1;
	} else {
		switch (range_bits(r, sep + 1)) {
		case NUM_OK:
			break;
		case NUM_RANGE:
			return err_set(err, 0, "IPv4 netmask \"%s\" is too large", text);
		default:
			return err_set(err, 0, "not a valid IPv4 netmask in \"%s\"", text);
		}
	}
	return range_host(r, text, (size_t)(sep - text), text, lookup, arg, r->net, err);
}

static int range_ip6(struct range *r, const char *text, netaddr_lookup *lookup, void *arg,
		     struct err *err)
{
	const char *sep = strchr(text, '/');

	r->len = 16;
	if (!sep && *text) { /* one host */
		sep = text + strlen(text);
		memset(r->mask, 0xff, 16);
	}
	if (!sep || text[0] != '[' || sep[-1] != ']')
		return err_set(err, 0, "missing brackets for IPv6 range definition \"%s\"", text);
	switch (*sep ? range_bits(r, sep + 1) : NUM_OK) {
	case NUM_OK:
		break;
	case NUM_RANGE:
		return err_set(err, 0, "netmask \"%s\" is too large", text);
	default:
		return err_set(err, 0, "not a valid IPv6 netmask in \"%s\"", text);
	}
	return range_host(r, text + 1, (size_t)(sep - text) - 2, text, lookup, arg, r->net, err);
}

int range_parse(struct range *r, const char *text, int family, netaddr_lookup *lookup, void *arg,
		struct err *err)
{
	int rc;

	*r = (struct range){ .family = family };
	switch (family) {
	case AF_INET:
		rc = range_ip4(r, text, lookup, arg, err);
		break;
	case AF_INET6:
		rc = range_ip6(r, text, lookup, arg, err);
		break;
	default:
		return err_set(err, 0,
			       "syntax error in range \"%s\" of unspecified address family: "
			       "use <addr>:<mask>",
			       text);
	}
	for (size_t i = 0; i < r->len; i++)
		r->net[i] &= r->mask[i];
	return rc;
}

/* Bytes behind the end of an address count as zero. */
static bool data_match(const struct range *r, const struct netaddr *a)
{
	const size_t skip = sizeof(sa_family_t);

	for (size_t i = 0; i < r->len; i++) {
		uint8_t byte =
			skip + i < a->len && skip + i < sizeof(a->raw) ? a->raw[skip + i] : 0;

		if ((byte & r->mask[i]) != r->net[i])
			return false;
	}
	return true;
}

bool range_match(const struct range *r, const struct netaddr *a)
{
	uint8_t data[sizeof(a->raw)] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0.0.0.0 */
	const uint8_t *addr = data;
	int af = a->any.sa_family;

	if (r->family == AF_UNSPEC)
		return data_match(r, a);
	if (af == AF_INET) {
		memcpy(data + 12, &a->in.sin_addr, 4);
	} else if (af == AF_INET6) {
		memcpy(data, &a->in6.sin6_addr, 16);
	} else {
		if (af != r->family || a->len < sizeof(sa_family_t) + r->len)
			return false;
		addr = a->raw + sizeof(sa_family_t);
	}
	if (af == AF_INET || (af == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))) {
		static const uint8_t nobody[4];

		if (memcmp(data + 12, nobody, 4) == 0)
			return false;
		if (r->family == AF_INET)
			addr = data + 12;
	}
	if ((af == AF_INET || af == AF_INET6) && r->family != AF_INET6 && addr != data + 12)
		return false;
	for (size_t i = 0; i < r->len; i++)
		if ((addr[i] & r->mask[i]) != r->net[i])
			return false;
	return true;
}

/* FNV-1a */
uint64_t netaddr_hash(const struct netaddr *a, bool port, const struct hash_key *key, uint64_t seed)
{
	struct hash_key k = { { key->k[0] ^ seed, key->k[1] } };
	/* without padding: all of it is hashed */
	struct {
		struct in6_addr ip;
		uint32_t scope, port;
	} in = { .port = port ? netaddr_port(a) : 0 };

	switch (a->any.sa_family) {
	case AF_INET:
		memcpy(&in.ip, &a->in.sin_addr, sizeof(a->in.sin_addr));
		break;
	case AF_INET6:
		in.ip = a->in6.sin6_addr;
		in.scope = a->in6.sin6_scope_id;
		break;
	default:
		return siphash(&k, a->raw, a->len);
	}
	return siphash(&k, &in, sizeof(in));
}
