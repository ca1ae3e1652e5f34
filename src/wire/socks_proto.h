/* socks_proto.h - the answers of SOCKS servers, as bytes
 *
 * Each function looks at the @len bytes of an answer that are there and returns how many more it
 * needs at least (never more than belong to the answer), 0 when it is complete and good, or -1 with
 * one sentence in @err; err->code is then an errno if trying again makes sense, else 0. Nothing
 * behind the answer is ever asked for.
 * SOCKS 4: "SOCKS: A protocol for TCP proxy across firewalls", Y.-D. Lee; SOCKS 5: RFC 1928;
 * passwords: RFC 1929. */
#ifndef WIRE_SOCKS_PROTO_H
#define WIRE_SOCKS_PROTO_H

#include "base/err.h"
#include "base/str.h"
#include "sys/netaddr.h"

#include <stddef.h>
#include <stdint.h>

#define SOCKS_ANSWER_MAX 262 /* 4, length byte, name of 255 bytes, port */

enum socks5_method { SOCKS5_NONE = 0, SOCKS5_PASSWORD = 2, SOCKS5_REFUSED = 255 };
enum socks5_command { SOCKS5_CONNECT = 1, SOCKS5_BIND = 2 };

int socks4_answer(const uint8_t *data, size_t len, struct err *err);

/* The method chosen is data[1]: SOCKS5_NONE, or SOCKS5_PASSWORD. */
int socks5_hello(const uint8_t *data, size_t len, struct err *err);

/* @user is for the sentence only. */
int socks5_auth(const uint8_t *data, size_t len, const char *user, struct err *err);
int socks5_answer(const uint8_t *data, size_t len, struct err *err);

/* The address in a complete answer of socks5_answer(); unset (len 0) if it is a name. */
void socks5_bound(const uint8_t *data, struct netaddr *out);

/* Append address type and address of @host: an IPv4 or IPv6 literal, the latter with or without
 * brackets, else a name of at most 255 bytes. Returns the type, or -1 with @err. */
int socks5_put_host(struct str *out, const char *host, struct err *err);

/* Append @text behind a byte with its length. @what names it in the error "… is longer than 255
 * bytes". Returns 0 or -1. */
int socks5_put_text(struct str *out, const char *what, const char *text, struct err *err);

/* Append @port in network order. */
void socks_put_port(struct str *out, unsigned port);

#endif
