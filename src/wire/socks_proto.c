/* socks_proto.c - the answers of SOCKS servers, as bytes, see socks_proto.h */
#include "wire/socks_proto.h"

#include "base/list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define SOCKS4_LEN 8
#define SOCKS4_GRANTED 90
#define TEXT_MAX 255 /* what a length byte can say */

enum { ATYP_IP4 = 1, ATYP_NAME = 3, ATYP_IP6 = 4 };

/* A refusal is no system call's failure; the code only says that trying again makes sense. */
static int refused(struct err *err, int code)
{
	err->code = code;
	return -1;
}

int socks4_answer(const uint8_t *data, size_t len, struct err *err)
{
	static const char *const why[] = { "connect request rejected or failed",
					   "ident refused by client", "ident failed" };

	if (len < SOCKS4_LEN)
		return (int)(SOCKS4_LEN - len);
	if (data[1] == SOCKS4_GRANTED)
		return 0;
	if (data[1] > SOCKS4_GRANTED && data[1] <= SOCKS4_GRANTED + ARRAY_SIZE(why))
		err_set(err, 0, "socks: %s", why[data[1] - SOCKS4_GRANTED - 1]);
	else
		err_set(err, 0, "socks: undefined status %u", data[1]);
	return refused(err, ECONNREFUSED);
}

int socks5_hello(const uint8_t *data, size_t len, struct err *err)
{
	if (len >= 1 && data[0] != 5) {
		err_set(err, 0,
			"SOCKS5 server hello version was %u, not the expected 5, peer might not be "
			"a "
			"SOCKS5 server",
			data[0]);
		return refused(err, EPROTO);
	}
	if (len < 2)
		return (int)(2 - len);
	if (data[1] == SOCKS5_NONE || data[1] == SOCKS5_PASSWORD)
		return 0;
	if (data[1] == SOCKS5_REFUSED)
		return err_set(err, 0,
			       "SOCKS5 authentication negotiation failed - client & server have no "
			       "common supported methods");
	return err_set(err, 0,
		       "SOCKS5 server chose authentication method %u, which was not offered",
		       data[1]);
}

int socks5_auth(const uint8_t *data, size_t len, const char *user, struct err *err)
{
	if (len < 2)
		return (int)(2 - len);
	if (data[0] != 1) {
		err_set(err, 0, "SOCKS5 authentication answer has version %u, not the expected 1",
			data[0]);
		return refused(err, EPROTO);
	}
	if (data[1] != 0)
		return err_set(err, 0, "SOCKS5 authentication for user \"%s\" failed", user);
	return 0;
}

/* The errno is for retry only. */
static const struct {
	const char *text;
	int code;
} reply[] = {
	{ "succeeded", 0 },
	{ "general SOCKS server failure", EPROTO },
	{ "connection not allowed by ruleset", EACCES },
	{ "network unreachable", ENETUNREACH },
	{ "host unreachable", EHOSTUNREACH },
	{ "connection refused", ECONNREFUSED },
	{ "TTL expired", ETIMEDOUT },
	{ "command not supported", EOPNOTSUPP },
	{ "address type not supported", EAFNOSUPPORT },
};

int socks5_answer(const uint8_t *data, size_t len, struct err *err)
{
	size_t total;

	if (len >= 1 && data[0] != 5) {
		err_set(err, 0, "SOCKS5 reply version was %u, not the expected 5", data[0]);
		return refused(err, EPROTO);
	}
	/* a server that refuses may leave the rest out */
	if (len >= 2 && data[1] != 0) {
		bool known = data[1] < ARRAY_SIZE(reply);

		err_set(err, 0, "SOCKS5 server error %u: %s", data[1],
			known ? reply[data[1]].text : "unknown error");
		return refused(err, known ? reply[data[1]].code : EPROTO);
	}
	if (len >= 4 && data[3] != ATYP_IP4 && data[3] != ATYP_NAME && data[3] != ATYP_IP6) {
		err_set(err, 0, "invalid SOCKS5 reply address type (%u)", data[3]);
		return refused(err, EPROTO);
	}
	if (len < 5)
		return (int)(5 - len);
	total = 6 + (data[3] == ATYP_IP4 ? 4 : data[3] == ATYP_IP6 ? 16 : 1 + (size_t)data[4]);
	return len < total ? (int)(total - len) : 0;
}

void socks5_bound(const uint8_t *data, struct netaddr *out)
{
	*out = (struct netaddr){ 0 };
	if (data[3] == ATYP_IP4) {
		netaddr_any(out, AF_INET, 0);
		memcpy(&out->in.sin_addr, data + 4, 4);
		memcpy(&out->in.sin_port, data + 8, 2);
	} else if (data[3] == ATYP_IP6) {
		netaddr_any(out, AF_INET6, 0);
		memcpy(&out->in6.sin6_addr, data + 4, 16);
		memcpy(&out->in6.sin6_port, data + 20, 2);
	}
}

int socks5_put_text(struct str *out, const char *what, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len > TEXT_MAX)
		return err_set(err, 0, "%s is longer than %d bytes", what, TEXT_MAX);
	str_addc(out, (char)len);
	str_add(out, text, len);
	return 0;
}

/* An IPv6 literal, in brackets or not. */
static bool is_ip6(const char *host, struct in6_addr *ip)
{
	char text[INET6_ADDRSTRLEN + 1];
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, ip) == 1;
}

int socks5_put_host(struct str *out, const char *host, struct err *err)
{
	struct in_addr ip4;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, host, &ip4) == 1) {
		str_addc(out, ATYP_IP4);
		str_add(out, &ip4, sizeof(ip4));
		return ATYP_IP4;
	}
	if (is_ip6(host, &ip6)) {
		str_addc(out, ATYP_IP6);
		str_add(out, &ip6, sizeof(ip6));
		return ATYP_IP6;
	}
	str_addc(out, ATYP_NAME);
	return socks5_put_text(out, "the target's name", host, err) == -1 ? -1 : ATYP_NAME;
}

void socks_put_port(struct str *out, unsigned port)
{
	str_addc(out, (char)(port >> 8 & 0xff));
	str_addc(out, (char)(port & 0xff));
}
