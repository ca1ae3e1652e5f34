/* tls_api.h - what the program and its TLS module say to each other
 *
 * OpenSSL stays out of the program's own link: the module socast_tls, built from tls_module.c, is
 * loaded by the first address that needs it and exports one table of functions, socast_tls. The
 * module knows certificates, handshakes and records; it knows no loop, no session, no address. */
#ifndef ADDR_TLS_TLS_API_H
#define ADDR_TLS_TLS_API_H

#include "base/err.h"
#include "opt/opt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_context; /* options, certificates, known sessions: one per address */
struct tls; /* one connection */

enum tls_result { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_END, TLS_FAIL };

/* How a connection reaches its peer: DTLS, one datagram a call; TLS, some bytes. Both return what
 * recv(2) and send(2) would, errno included. */
struct tls_wire {
	ssize_t (*recv)(void *arg, void *buf, size_t cap); /* NULL: the library reads a socket */
	ssize_t (*send)(void *arg, const void *buf, size_t len);
	void *arg;
};

/* What two have agreed on: "TLSv1.3" and a cipher's name, as the library has them. */
struct tls_agreed {
	const char *version, *cipher;
	bool resumed; /* a session that both have known before */
};

enum tls_role { TLS_CLIENT, TLS_SERVER, DTLS_CLIENT, DTLS_SERVER };

struct tls_api {
	/* Read certificates and settings of an address. @name: the host a client connects to, as
	 * typed; NULL for servers. NULL with @err. */
	struct tls_context *(*context_new)(const struct conf *conf, enum tls_role role,
					   const char *name, struct err *err);
	void (*context_free)(struct tls_context *c);
	/* A connection over @wire (copied; @peer identifies the other side in cookies). Where that
	 * has no recv(), the library reads the stream socket @fd, which stays the caller's. */
	struct tls *(*start)(struct tls_context *c, int fd, const struct tls_wire *wire,
			     const void *peer, size_t peer_len, struct err *err);
	/* Of a DTLS server: look at the one datagram that @wire receives, without keeping anything.
	 * True when it shows, by its cookie, that its sender receives at @peer; a first greeting is
	 * answered with a cookie, anything else passed over. */
	bool (*greeted)(struct tls_context *c, const struct tls_wire *wire, const void *peer,
			size_t peer_len);
	/* Go on with the handshake: TLS_DONE when the peer is verified, wants, or TLS_FAIL with
	 * @err, status and hint included. */
	enum tls_result (*handshake)(struct tls *t, struct err *err);
	/* Behind the handshake of a client: does its server take it for good (TLS 1.3 judges the
	 * client's certificate behind the end of its handshake)? 0: yes, or it has been heard, or
	 * nobody will tell. 1: it has said nothing yet. -1 with @err: it has refused. What it sends
	 * is dropped. */
	int (*verdict)(struct tls *t, struct err *err);
	/* Behind the handshake. */
	struct tls_agreed (*agreed)(const struct tls *t);
	/* Call @tell for each variable about the connection: "PROTO_VERSION", "TLSv1.3". */
	void (*describe)(struct tls *t,
			 void (*tell)(void *arg, const char *name, const char *value), void *arg);
	/* Move at most @len bytes (at most one datagram): *@moved > 0 with TLS_DONE. TLS_END: the
	 * peer has said that nothing more comes. TLS_FAIL with @err; its code is an errno or 0. */
	enum tls_result (*read)(struct tls *t, void *buf, size_t len, size_t *moved,
				struct err *err);
	enum tls_result (*write)(struct tls *t, const void *buf, size_t len, size_t *moved,
				 struct err *err);
	/* The next read finds something, or the end, that no descriptor tells of. */
	bool (*pending)(const struct tls *t);
	/* Say that we send nothing more; TLS_DONE or a want. */
	enum tls_result (*close_notify)(struct tls *t);
	/* Datagrams: nanoseconds until something must be sent again, or -1; and send it. */
	int64_t (*timeout_ns)(const struct tls *t);
	enum tls_result (*on_timeout)(struct tls *t, struct err *err);
	void (*free)(struct tls *t); /* NULL is fine; sends nothing */
};

#define TLS_MODULE "socast_tls"
#define TLS_SYMBOL "socast_tls_api"

#endif
