/* vsock.c - VSOCK: connections between a virtual machine and its host
 *
 * Machines have numbers (CID): 2 is the host, 1 is this machine itself where the kernel has a
 * loopback. Our own number is told at the beginning, because the other side has to know it. */
#include "addr/addr.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "flow/forecast.h"
#include "open/dial.h"
#include "open/listen.h"
#include "open/steps.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEVICE "/dev/vsock"

/* A number of 32 bits; -1 is the wildcard. */
static int get_number(const char *text, const char *what, unsigned *out, struct err *err)
{
	int64_t n = 0;

	if (num_parse(text, &n, NULL) != NUM_OK || n < -1 || n > UINT32_MAX)
		return err_set(err, 0, "sockaddr_vm - garbage in %s: \"%s\"", what, text);
	*out = (unsigned)n;
	return 0;
}

/* @cid and @port may be NULL or empty: any. */
static int get_address(struct netaddr *a, const char *cid, const char *port, struct err *err)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = VMADDR_PORT_ANY };

	if (cid && *cid && get_number(cid, "cid", &vm.svm_cid, err) == -1)
		return -1;
	if (port && *port && get_number(port, "port", &vm.svm_port, err) == -1)
		return -1;
	*a = (struct netaddr){ .len = sizeof(vm) };
	memcpy(a->raw, &vm, sizeof(vm));
	return 0;
}

/* Parameters may not be empty. */
static int required(const char *text, const char *what, struct err *err)
{
	return *text ? 0 : err_set(err, 0, "sockaddr_vm - garbage in %s: \"\"", what);
}

/* bind=cid, bind=cid:port, bind=:port */
static int get_bind(struct netaddr *a, const char *text, struct err *err)
{
	const char *colon = strchrnul(text, ':');
	char *cid = xstrndup(text, (size_t)(colon - text));
	int rc = get_address(a, cid, *colon ? colon + 1 : NULL, err);

	free(cid);
	return rc;
}

static enum step_result step_own_cid(struct opening *o, struct err *err)
{
	unsigned cid;
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);

	(void)o;
	(void)err;
	if (fd == -1)
		log_warn("open(\"%s\"): %m; the CID of this machine is not known", DEVICE);
	else if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == -1)
		log_warn("ioctl(%d, IOCTL_VM_SOCKETS_GET_LOCAL_CID): %m; the CID of this machine "
			 "is not known",
			 fd);
	else
		log_notice("VSOCK CID=%u", cid);
	if (fd != -1)
		close(fd);
	return STEP_DONE;
}

static enum step_result step_remote(struct opening *o, struct err *err)
{
	const char *cid = opening_param(o, 0), *port = opening_param(o, 1);
	const char *bind = o->addr->conf->sock.bind;

	o->remote.n = 1;
	o->local = (struct netaddr){ 0 };
	if (required(cid, "cid", err) == -1 || required(port, "port", err) == -1 ||
	    get_address(&o->remote.addr[0], cid, port, err) == -1 ||
	    (bind && get_bind(&o->local, bind, err) == -1))
		return STEP_FAIL;
	return STEP_DONE;
}

static enum step_result step_local(struct opening *o, struct err *err)
{
	const char *bind = o->addr->conf->sock.bind, *port = opening_param(o, 0);

	if (bind && strchr(bind, ':')) {
		err_set(err, 0, "port specification not allowed in this bind option");
		return STEP_FAIL;
	}
	if (required(port, "port", err) == -1 || get_address(&o->local, bind, port, err) == -1)
		return STEP_FAIL;
	return STEP_DONE;
}

static enum step_result step_say_connecting(struct opening *o, struct err *err)
{
	char text[NETADDR_TEXT_LEN];

	(void)err;
	log_notice("opening connection to %s", netaddr_text(&o->remote.addr[0], text));
	return STEP_DONE;
}

/* clang-format off */
static const struct step connect_vsock_steps[] = {
	{ STEP_PURE(step_remote) },
	{ .run = step_own_cid },
	{ .run = step_say_connecting },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_FD },
	{ .after = PH_PREBIND },
	{ .run = step_bind },
	{ .run = step_connect },
	{ .run = step_connected, .after = PH_CONNECTED },
	STEP_END,
};

static const struct step listen_steps[] = {
	{ STEP_PURE(step_max_children) },
	{ STEP_PURE(step_local) },
	{ .run = step_own_cid },
	{ .run = step_socket, .after = PH_PASTSOCKET },
	{ .after = PH_PREBIND },
	{ .run = step_bind },
	{ .run = step_listen, .check = step_check_listening },
	STEP_END,
};
/* clang-format on */

static const struct addr_type types[] = {
	{ .names = "VSOCK-CONNECT VSOCK",
	  .syntax = ":<cid>:<port>",
	  .help = "connection to another virtual machine, or to its host",
	  .groups = G_FD | G_SOCKET | G_CHILD | G_RETRY,
	  .reads = true,
	  .writes = true,
	  .min_params = 2,
	  .max_params = 2,
	  .net = { AF_VSOCK, SOCK_STREAM, 0 },
	  .flags = TYPE_TRANSPARENT,
	  .steps = connect_vsock_steps,
	  .forecast = forecast_socket,
	  .make = make_connection,
	  .source = dial_source },
	{ .names = "VSOCK-LISTEN VSOCK-L",
	  .syntax = ":<port>",
	  .help = "server for virtual machines: waits for a connection; fork serves many",
	  .groups = G_FD | G_SOCKET | G_LISTEN | G_CHILD | G_RETRY,
	  .reads = true,
	  .writes = true,
	  .min_params = 1,
	  .max_params = 1,
	  .net = { AF_VSOCK, SOCK_STREAM, 0 },
	  .flags = TYPE_ACCEPTS | TYPE_TRANSPARENT,
	  .steps = listen_steps,
	  .conn_steps = accepted_steps,
	  .local_port = 1,
	  .forecast = forecast_socket,
	  .make = make_connection,
	  .source = listen_source },
};

const struct addr_family vsock_family = { types, ARRAY_SIZE(types) };
