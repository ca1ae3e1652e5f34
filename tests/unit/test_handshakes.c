/* test_handshakes.c - connections whose layers shake hands: whose place is taken, when, and the
 * time they have
 *
 * Whole relays in this process, turned by hand. Their listening address has layers whose handshake
 * is a word of the client, "hello" for each; what is heard of it otherwise is only heard. */
#include "open/handshakes.h"

#include "open/addr_type.h"
#include "open/opening.h"
#include "open/source.h"

#include <errno.h>
#include <stdint.h>

#include "stage.h"

#define SILENT_NS (100 * NSEC_PER_MSEC)
#define QUIET_NS NSEC_PER_SEC
#define AGE_NS (3 * NSEC_PER_SEC)
#define CLIENTS 64

static struct {
	struct memory_relay m;
	struct stage_fds before;
	int listening;
	int client[CLIENTS];
	int n;
	unsigned begun; /* handshakes of the lowest layer */
} r;

static enum step_result step_hello(struct opening *o, struct err *err)
{
	char got[5];
	ssize_t n = endpoint_read(o->end, got, sizeof(got), err);

	r.begun += o->layer == 0;
	if (n == sizeof(got) && memcmp(got, "hello", sizeof(got)) == 0)
		return STEP_DONE;
	if (n == 0 || (n == -1 && errno != EAGAIN)) {
		err_set(err, 0, "gone");
		return STEP_FAIL;
	}
	opening_wait_end(o, o->end, EPOLLIN, 0);
	return STEP_AGAIN;
}

static const struct step steps[] = { { .run = step_hello }, STEP_END };
static const struct layer_type polite = { .names = "POLITE",
					  .client_begins = true,
					  .steps = steps };

/* Put @n layers of @type on the listening address. */
static void add_layers(struct half *h, const struct layer_type *type, size_t n)
{
	free(h->layer);
	h->layer = xcalloc(n, sizeof(*h->layer));
	h->nlayers = n;
	for (size_t i = 0; i < n; i++)
		h->layer[i] =
			(struct half_layer){ .type = type, .name = type->names, .conf = &h->conf };
}

static void start_with(const struct layer_type *type, size_t layers, const char *options)
{
	char left[128];

	memset(&r, 0, sizeof(r));
	if (stage_listening_fd() != -1) /* of a test that has failed */
		close(stage_listening_fd());
	r.before = stage_fds();
	snprintf(left, sizeof(left), "ABSTRACT-LISTEN:socast-test-%d,fork%s", (int)getpid(),
		 options);
	stage_read(&r.m, left, "PIPE");
	add_layers(&r.m.plan.side[0].half[0], type, layers);
	stage_begin(&r.m);
	relay_start(&r.m.relay);
	stage_pass(&r.m, 0);
	r.listening = stage_listening_fd();
	assert_int_not_equal(r.listening, -1);
}

static void start_layers(size_t layers, const char *options)
{
	start_with(&polite, layers, options);
}

static void start(const char *options)
{
	start_layers(1, options);
}

static int comes(void)
{
	r.client[r.n] = stage_connect(r.listening);
	stage_rest(&r.m);
	return r.n++;
}

static void come(int n)
{
	while (n--)
		comes();
}

static void say(int i, const char *what)
{
	assert_int_equal(send(r.client[i], what, strlen(what), MSG_NOSIGNAL), strlen(what));
	stage_rest(&r.m);
}

static struct source *source(void)
{
	return stage_source(&r.m);
}

static size_t sessions(void)
{
	return stage_count(&r.m.relay.sessions);
}

static uint64_t gave_way(void)
{
	return relay_address(&r.m.relay, 1)->tally->refused[REFUSE_HANDSHAKE];
}

static bool is_turned_away(int i)
{
	char got[8];
	ssize_t n = recv(r.client[i], got, sizeof(got), MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno == ECONNRESET);
}

static void is_served(int i)
{
	char got[8] = "";

	say(i, "question");
	assert_int_equal(recv(r.client[i], got, sizeof(got), MSG_DONTWAIT), 8);
	assert_memory_equal(got, "question", 8);
}

static void pass(int64_t ns)
{
	stage_pass(&r.m, ns);
	stage_rest(&r.m);
}

static void closes(int i)
{
	close(r.client[i]);
	r.client[i] = -1;
	stage_rest(&r.m);
}

static void end_it(void)
{
	relay_end(&r.m.relay, 0);
	stage_end_with(&r.m, 0);
	stage_close_fds(r.client, r.n);
	assert_int_equal(stage_new_fd(&r.before), -1);
}

/* Nothing is done for who says nothing. */
static void test_silent(void **state)
{
	(void)state;
	start("");
	come(3);
	assert_int_equal(source()->handshakes.n, 3);
	assert_int_equal(r.begun, 0);
	say(1, "hello");
	assert_int_equal(r.begun, 1);
	assert_int_equal(source()->handshakes.n, 2);
	is_served(1);
	end_it();
}

/* Where it is the server who begins, it begins at once. */
static void test_server_begins(void **state)
{
	static const struct layer_type eager = { .names = "EAGER", .steps = steps };

	(void)state;
	start_with(&eager, 1, "");
	comes();
	assert_int_equal(r.begun, 1);
	say(0, "hello");
	is_served(0);
	end_it();
}

/* Half of the places are for sessions; newcomers wait until somebody can give way. */
static void test_half(void **state)
{
	(void)state;
	start(",max-children=6");
	come(4);
	assert_int_equal(source()->handshakes.n, 3);
	assert_true(source()->paused);
	pass(SILENT_NS - 1);
	assert_int_equal(source()->handshakes.n, 3);
	assert_false(is_turned_away(0) || is_turned_away(1) || is_turned_away(2));
	pass(1);
	assert_true(is_turned_away(0));
	assert_false(is_turned_away(1));
	assert_int_equal(source()->handshakes.n, 3);
	assert_int_equal(gave_way(), 1);
	say(3, "hello");
	is_served(3);
	assert_int_equal(source()->handshakes.n, 2);
	end_it();
}

/* The eldest goes first, and who has said something has more time. */
static void test_order(void **state)
{
	(void)state;
	start(",max-children=6");
	comes();
	pass(1);
	come(2);
	say(0, "x");
	pass(SILENT_NS);
	comes();
	assert_true(is_turned_away(1));
	assert_false(is_turned_away(0) || is_turned_away(2));
	comes();
	assert_true(is_turned_away(2));
	assert_false(is_turned_away(0));
	say(3, "x");
	say(4, "x");
	comes();
	assert_true(source()->paused);
	pass(QUIET_NS - SILENT_NS - 1);
	assert_false(is_turned_away(0));
	pass(1);
	assert_true(is_turned_away(0));
	assert_int_equal(gave_way(), 3);
	say(5, "hello");
	is_served(5);
	end_it();
}

/* Who goes on is heard again: he keeps his place. */
static void test_goes_on(void **state)
{
	(void)state;
	start_layers(2, ",max-children=2");
	come(2);
	say(0, "x");
	pass(QUIET_NS - 1);
	say(0, "hello");
	pass(QUIET_NS - 1);
	assert_false(is_turned_away(0));
	say(0, "hello");
	is_served(0);
	say(1, "hello");
	say(1, "hello");
	is_served(1);
	assert_int_equal(gave_way(), 0);
	end_it();
}

/* But not for ever: one byte after the other is no handshake. */
static void test_drips(void **state)
{
	(void)state;
	start(",max-children=2");
	come(2);
	for (int i = 0; i < 6; i++) {
		say(0, "x");
		assert_false(is_turned_away(0));
		pass(AGE_NS / 6);
	}
	assert_true(is_turned_away(0));
	assert_int_equal(gave_way(), 1);
	say(1, "hello");
	is_served(1);
	pass(10 * AGE_NS);
	assert_int_equal(sessions(), 1);
	end_it();
}

/* Sessions are never pushed out; in a full house only handshakes are. */
static void test_full(void **state)
{
	(void)state;
	start(",max-children=3");
	for (int i = 0; i < 2; i++) {
		comes();
		say(i, "hello");
		is_served(i);
	}
	come(3);
	assert_int_equal(source()->handshakes.n, 1);
	pass(SILENT_NS);
	assert_true(is_turned_away(2));
	say(3, "hello");
	is_served(3);
	assert_int_equal(sessions(), 3);
	pass(10 * QUIET_NS);
	assert_int_equal(sessions(), 3);
	assert_int_equal(source()->handshakes.n, 0);
	assert_true(source()->paused && stage_sleeps(&r.m));
	closes(0);
	say(4, "hello");
	is_served(4);
	is_served(1);
	assert_int_equal(gave_way(), 1);
	end_it();
}

/* One place, and somebody who never says anything. */
static void test_one_place(void **state)
{
	(void)state;
	start(",max-children=1");
	come(5);
	for (int i = 0; i < 4; i++) {
		assert_false(is_turned_away(i));
		pass(SILENT_NS);
		assert_true(is_turned_away(i));
	}
	say(4, "hello");
	is_served(4);
	end_it();
}

static void test_descriptors(void **state)
{
	(void)state;
	start("");
	r.m.engine.fds.limit = 20;
	r.m.engine.fds.sure = 1000;
	come(12);
	assert_int_equal(source()->handshakes.n, 11);
	assert_true(source()->paused);
	pass(SILENT_NS);
	assert_int_equal(source()->handshakes.n, 11);
	assert_int_equal(gave_way(), 1);
	end_it();
}

/* One deadline for all layers; the shortest that is given. */
static void test_deadline(void **state)
{
	static const struct {
		const char *option;
		int64_t ns;
	} row[] = { { "", 30 * NSEC_PER_SEC }, { "0.5", NSEC_PER_SEC / 2 }, { "0", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		start_layers(3, "");
		r.m.plan.side[0].half[0].conf.tls.handshake_timeout_ns =
			*row[i].option ? (int64_t)(strtod(row[i].option, NULL) * NSEC_PER_SEC) : -1;
		come(2);
		say(0, "hello");
		if (!row[i].ns) {
			pass(1000 * NSEC_PER_SEC);
			say(0, "hello");
			say(0, "hello");
			is_served(0);
			end_it();
			continue;
		}
		pass(row[i].ns / 2);
		say(0, "hello");
		pass(row[i].ns / 2 - 1);
		assert_false(is_turned_away(0) || is_turned_away(1));
		pass(1);
		assert_true(is_turned_away(0) && is_turned_away(1));
		assert_int_equal(gave_way(), 0);
		assert_int_equal(source()->handshakes.n, 0);
		end_it();
	}
}

/* The end of listening, and of a client, in the middle of it. */
static void test_ends(void **state)
{
	(void)state;
	start(",max-children=2");
	come(3);
	closes(0);
	assert_int_equal(source()->handshakes.n, 1);
	source_close(source());
	closes(1);
	stage_rest(&r.m);
	stage_end_with(&r.m, 0);
	stage_close_fds(r.client, r.n);
	assert_int_equal(stage_new_fd(&r.before), -1);
}

/* The times of a half whose two layers, and itself, have these limits. */
static void limits(int64_t of_all, int64_t own, int64_t other, int64_t accepts, int64_t connects,
		   int64_t first)
{
	struct addr_type type = { .names = "TYPE" };
	struct conf conf[2] = { 0 };
	struct half_layer layer[2] = { { .type = &polite, .conf = &conf[0] },
				       { .type = &polite, .conf = &conf[1] } };
	struct half h = { .type = &type, .layer = layer, .nlayers = 2 };
	struct handshake t;

	h.conf.tls.handshake_timeout_ns = of_all;
	conf[0].tls.handshake_timeout_ns = own;
	conf[1].tls.handshake_timeout_ns = other;
	handshake_time_begins(&t, &h, 1000);
	assert_int_equal(t.due_ns, connects);
	handshake_layer_begins(&t, &h, 0, 2000);
	assert_int_equal(t.due_ns, first);
	type.flags = TYPE_ACCEPTS;
	handshake_time_begins(&t, &h, 1000);
	assert_int_equal(t.due_ns, accepts);
	handshake_layer_begins(&t, &h, 1, 2000);
	assert_int_equal(t.due_ns, accepts);
}

static void test_limits(void **state)
{
	const int64_t half_a_minute = 30 * NSEC_PER_SEC;

	(void)state;
	limits(-1, -1, -1, 1000 + half_a_minute, 0, 2000 + half_a_minute);
	limits(7, -1, -1, 1007, 1007, 1007);
	limits(-1, 5, -1, 1005, 0, 2005);
	limits(-1, 5, 3, 1003, 0, 2005);
	limits(2, 5, 3, 1002, 1002, 1002);
	limits(9000, 5, 3, 1003, 10000, 2005);
	limits(0, -1, -1, 0, 0, 2000 + half_a_minute);
	limits(0, 5, -1, 1005, 0, 2005);
	limits(-1, 0, -1, 0, 0, 0);
	limits(-1, 0, 5, 1005, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drips),       cmocka_unit_test(test_server_begins),
		cmocka_unit_test(test_silent),      cmocka_unit_test(test_half),
		cmocka_unit_test(test_order),       cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_full),        cmocka_unit_test(test_one_place),
		cmocka_unit_test(test_descriptors), cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_ends),        cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
