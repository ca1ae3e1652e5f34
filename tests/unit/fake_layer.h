/* fake_layer.h - layers that a test can look into
 *
 * Each kind is a set of operations on the same struct fake:
 *
 *	XOR	changes every byte, keeps nothing, has no opinion about anything else
 *	KEEP	takes all of a write and keeps its last bytes until flush(); has words to say when
 *		nothing more is written from above, and when the end is over
 *	CREDIT	writes blocks with a header ("3:abc"), each only when a '+' has come from the peer:
 *		it has to read before it can write
 *	TAG	puts one byte in front of each datagram, and drops those that come without it
 *
 * What they are asked is noted, in order, where the test looks: "shut a", "free b". */
#ifndef TESTS_FAKE_LAYER_H
#define TESTS_FAKE_LAYER_H

#include "base/mem.h"
#include "base/str.h"
#include "data/packet.h"
#include "end/endpoint.h"
#include "end/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_KEPT_MAX 4096 /* more, and a write has to wait */

struct fake {
	struct layer l;
	char name; /* in the notes; the tag of TAG */
	char key; /* XOR: its name, unless the test sets it */
	struct str *notes; /* borrowed */
	size_t keep; /* KEEP: so many bytes of what was written wait for flush() */
	const char *at_shut, *at_finish; /* KEEP: its words, or NULL */
	bool stops; /* shut_write() says that nobody below is to be told */
	bool repolls; /* flush() says that poll() would answer otherwise now */
	bool notes_flush;
	bool said; /* at_shut or at_finish */
	bool dead; /* what is below takes nothing any more */
	bool peer_ended; /* CREDIT */
	unsigned credits;
	size_t words; /* bytes at the end of @kept that are not from above */
	int code; /* errno that what is below has failed with */
	struct str kept; /* from @kept_off on, not yet handed down */
	size_t kept_off;
	struct str got; /* CREDIT: from @got_off on, read and not yet handed up */
	size_t got_off;
};

static inline struct fake *fake_of(const struct layer *l)
{
	return (struct fake *)l;
}

static inline void fake_note(struct fake *f, const char *what)
{
	str_addf(f->notes, "%s%s %c", f->notes->len ? ", " : "", what, f->name);
}

static inline void fake_free(struct layer *l)
{
	struct fake *f = fake_of(l);

	fake_note(f, "free");
	str_done(&f->kept);
	str_done(&f->got);
	free(f);
}

static inline size_t fake_kept(const struct fake *f)
{
	return f->kept.len - f->kept_off;
}

/* Hand down what is kept, but for the last @keep bytes. True when no more than that is left. */
static inline bool fake_hand_down(struct fake *f, size_t keep)
{
	struct err err;

	while (fake_kept(f) > keep && !f->dead) {
		struct iovec iov = { f->kept.data + f->kept_off, fake_kept(f) - keep };
		ssize_t n = layer_write(&f->l, &iov, 1, &err);

		if (n == -1 && errno == EAGAIN)
			return false;
		if (n == -1) { /* the rest stays, to be counted */
			f->dead = true;
			f->code = errno;
			return true;
		}
		f->kept_off += (size_t)n;
	}
	return true;
}

/* KEEP and CREDIT: without their own words. */
static inline size_t fake_payload(const struct layer *l)
{
	const struct fake *f = fake_of(l);

	return fake_kept(f) > f->words ? fake_kept(f) - f->words : 0;
}

static inline bool fake_broken(const struct layer *l, struct err *err)
{
	if (fake_of(l)->dead)
		err_set(err, fake_of(l)->code, "write below %c", fake_of(l)->name);
	return fake_of(l)->dead;
}

/* ---- XOR ---- */

static inline void fake_change(const struct fake *f, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] ^= (uint8_t)f->key;
}

static inline ssize_t fake_xor_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	ssize_t n = layer_read(l, buf, len, err);

	if (n > 0)
		fake_change(fake_of(l), buf, (size_t)n);
	return n;
}

static inline ssize_t fake_xor_write(struct layer *l, const struct iovec *iov, int niov,
				     struct err *err)
{
	uint8_t buf[1000];
	struct iovec changed = { buf, iov->iov_len < sizeof(buf) ? iov->iov_len : sizeof(buf) };

	(void)niov;
	memcpy(buf, iov->iov_base, changed.iov_len);
	fake_change(fake_of(l), buf, changed.iov_len);
	return layer_write(l, &changed, 1, err);
}

static const struct layer_ops fake_xor = {
	.name = "XOR",
	.read = fake_xor_read,
	.write = fake_xor_write,
	.free = fake_free,
};

/* ---- KEEP ---- */

static inline ssize_t fake_keep_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	return layer_read(l, buf, len, err);
}

static inline ssize_t fake_keep_write(struct layer *l, const struct iovec *iov, int niov,
				      struct err *err)
{
	struct fake *f = fake_of(l);

	(void)niov;
	(void)err;
	fake_hand_down(f, f->keep);
	if (fake_kept(f) > FAKE_KEPT_MAX) {
		layer_repoll(l);
		errno = EAGAIN;
		return -1;
	}
	if (f->said)
		fake_note(f, "late write");
	str_add(&f->kept, iov->iov_base, iov->iov_len);
	fake_hand_down(f, f->keep);
	layer_repoll(l);
	return (ssize_t)iov->iov_len;
}

static inline uint32_t fake_keep_poll(const struct layer *l, uint32_t want)
{
	return want | (fake_kept(fake_of(l)) ? EPOLLOUT : 0);
}

static inline void fake_say(struct fake *f, const char *words)
{
	if (words && !f->said)
		str_adds(&f->kept, words);
	if (words && !f->said)
		f->words += strlen(words);
	f->said |= words != NULL;
}

static inline bool fake_keep_shut(struct layer *l)
{
	fake_note(fake_of(l), "shut");
	fake_say(fake_of(l), fake_of(l)->at_shut);
	return !fake_of(l)->stops;
}

static inline void fake_keep_finish(struct layer *l)
{
	fake_note(fake_of(l), "finish");
	fake_say(fake_of(l), fake_of(l)->at_finish);
}

static inline bool fake_keep_flush(struct layer *l)
{
	bool done;

	if (fake_of(l)->notes_flush)
		fake_note(fake_of(l), "flush");
	done = fake_hand_down(fake_of(l), 0);
	if (fake_of(l)->repolls)
		layer_repoll(l);
	return done;
}

static const struct layer_ops fake_keep = {
	.name = "KEEP",
	.read = fake_keep_read,
	.write = fake_keep_write,
	.poll = fake_keep_poll,
	.shut_write = fake_keep_shut,
	.finish = fake_keep_finish,
	.flush = fake_keep_flush,
	.kept = fake_payload,
	.broken = fake_broken,
	.free = fake_free,
};

/* ---- CREDIT ---- */

/* Read on, and sort. As read(2). */
static inline ssize_t fake_pull(struct fake *f, struct err *err)
{
	char buf[64];
	ssize_t n = layer_read(&f->l, buf, sizeof(buf), err);

	f->peer_ended |= n == 0;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '+')
			f->credits++;
		else
			str_addc(&f->got, buf[i]);
	}
	return n;
}

static inline ssize_t fake_credit_read(struct layer *l, void *buf, size_t len, struct err *err)
{
	struct fake *f = fake_of(l);
	size_t n;

	while (f->got_off == f->got.len && !f->peer_ended) {
		if (fake_pull(f, err) == -1)
			return -1;
	}
	n = f->got.len - f->got_off < len ? f->got.len - f->got_off : len;
	if (n)
		memcpy(buf, f->got.data + f->got_off, n);
	f->got_off += n;
	return (ssize_t)n;
}

static inline ssize_t fake_credit_write(struct layer *l, const struct iovec *iov, int niov,
					struct err *err)
{
	struct fake *f = fake_of(l);
	size_t n = iov->iov_len < 200 ? iov->iov_len : 200;

	(void)niov;
	while (!f->credits && !f->peer_ended) {
		if (fake_pull(f, err) == -1) {
			layer_repoll(l);
			return -1;
		}
	}
	if (!f->credits) {
		err_set(err, EPIPE, "no credit will come");
		errno = EPIPE;
		return -1;
	}
	if (!fake_hand_down(f, 0)) {
		layer_repoll(l);
		errno = EAGAIN;
		return -1;
	}
	f->credits--;
	str_addf(&f->kept, "%zu:", n);
	str_add(&f->kept, iov->iov_base, n);
	fake_hand_down(f, 0);
	layer_repoll(l);
	return (ssize_t)n;
}

static inline uint32_t fake_credit_poll(const struct layer *l, uint32_t want)
{
	const struct fake *f = fake_of(l);
	uint32_t events = want & EPOLLIN;

	if (want & EPOLLOUT)
		events |= f->credits || f->peer_ended ? EPOLLOUT : EPOLLIN;
	return events | (fake_kept(f) ? EPOLLOUT : 0);
}

static inline bool fake_credit_holds(const struct layer *l)
{
	return fake_of(l)->got_off < fake_of(l)->got.len || fake_of(l)->peer_ended;
}

static inline bool fake_credit_flush(struct layer *l)
{
	return fake_hand_down(fake_of(l), 0);
}

static const struct layer_ops fake_credit = {
	.name = "CREDIT",
	.read = fake_credit_read,
	.write = fake_credit_write,
	.poll = fake_credit_poll,
	.holds = fake_credit_holds,
	.flush = fake_credit_flush,
	.kept = fake_payload,
	.broken = fake_broken,
	.free = fake_free,
};

/* ---- TAG ---- */

static inline long fake_tag_recv(struct layer *l, struct batch *b, size_t max, struct err *err)
{
	long n = layer_recv(l, b, max, err);

	for (size_t i = 0; n > 0 && i < b->n; i++) {
		struct packet *p = &b->packet[i];

		p->drop |= !p->len || p->data[0] != (uint8_t)fake_of(l)->name;
		p->data += !p->drop;
		p->len -= !p->drop;
	}
	return n;
}

static inline int fake_tag_send(struct layer *l, struct batch *b, struct err *err)
{
	struct batch *one = batch_new();
	int rc = 0;

	for (; b->next < b->n && rc == 0; b->next += rc == 0) {
		struct str s = { 0 };

		str_addc(&s, fake_of(l)->name);
		str_add(&s, b->packet[b->next].data, b->packet[b->next].len);
		batch_put(one, s.data, s.len);
		rc = layer_send(l, one, err);
		str_done(&s);
	}
	batch_free(one);
	return rc;
}

static const struct layer_ops fake_tag = {
	.name = "TAG",
	.recv = fake_tag_recv,
	.send = fake_tag_send,
	.free = fake_free,
};

/* A layer on top of @ep; what happens to it is noted in @notes. */
static inline struct fake *fake_push(struct endpoint *ep, const struct layer_ops *ops, char name,
				     struct str *notes)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	f->name = f->key = name;
	f->notes = notes;
	layer_push(ep, &f->l, ops);
	return f;
}

#endif
