/* test_frames.c - checksums that were left to hardware */
#include "dgram/eth_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static unsigned add(unsigned sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (unsigned)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Build a frame as the kernel hands it out: addresses, @tags VLAN tags, IP, a segment of @n bytes
 * whose checksum field holds the sum over the pseudo header. Returns where the segment begins. */
static size_t build(uint8_t *f, int version, int tags, int extensions, int protocol, size_t n,
		    size_t *len)
{
	size_t at = 12, ip, seg, field = protocol == IPPROTO_TCP ? 16 : 6;
	uint8_t pseudo[4] = { 0, (uint8_t)protocol, (uint8_t)(n >> 8), (uint8_t)n };
	unsigned sum;

	for (size_t i = 0; i < 2000; i++)
		f[i] = (uint8_t)(i * 31 + 7);
	for (; tags; tags--, at += 4)
		memcpy(f + at, tags > 1 ? "\x88\xa8\0\1" : "\x81\0\0\2", 4);
	memcpy(f + at, version == 4 ? "\x08\0" : "\x86\xdd", 2);
	ip = at + 2;
	if (version == 4) {
		seg = ip + 20 + 4 * (size_t)extensions;
		f[ip] = (uint8_t)(0x45 + extensions);
		f[ip + 2] = (uint8_t)((seg - ip + n) >> 8);
		f[ip + 3] = (uint8_t)(seg - ip + n);
		f[ip + 6] = 0x40; /* do not fragment */
		f[ip + 7] = 0;
		f[ip + 9] = (uint8_t)protocol;
		sum = add(add(0, f + ip + 12, 8), pseudo, 4);
	} else {
		seg = ip + 40;
		f[ip + 6] = (uint8_t)(extensions ? IPPROTO_HOPOPTS : protocol);
		for (; extensions; extensions--, seg += 16) {
			f[seg] = (uint8_t)(extensions > 1 ? IPPROTO_DSTOPTS : protocol);
			f[seg + 1] = 1;
		}
		f[ip + 4] = (uint8_t)((seg - ip - 40 + n) >> 8);
		f[ip + 5] = (uint8_t)(seg - ip - 40 + n);
		sum = add(add(0, f + ip + 8, 32), pseudo, 4);
	}
	if (n >= field + 2) {
		f[seg + field] = (uint8_t)(sum >> 8);
		f[seg + field + 1] = (uint8_t)sum;
	}
	*len = seg + n + 3; /* and some padding, which does not count */
	return seg;
}

static void test_checksum(void **state)
{
	static const size_t sizes[] = { 20, 21, 100, 1001 };
	uint8_t f[2100], before[2100];
	size_t len, seg, field;
	(void)state;

	for (int i = 0; i < 2 * 3 * 3 * 2 * 4; i++) {
		int version = i & 1 ? 6 : 4, tags = i / 2 % 3, extensions = i / 6 % 3;
		int protocol = i / 18 % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		size_t n = sizes[i / 36];
		uint8_t pseudo[4] = { 0, (uint8_t)protocol, (uint8_t)(n >> 8), (uint8_t)n };
		size_t ip = 14 + 4 * (size_t)tags;
		unsigned sum = 0;

		seg = build(f, version, tags, extensions, protocol, n, &len);
		memcpy(before, f, sizeof(f));
		assert_true(eth_frame_finish_checksum(f, len));
		/* the receiver's view: everything adds up to all ones */
		sum = version == 4 ? add(sum, f + ip + 12, 8) : add(sum, f + ip + 8, 32);
		sum = add(add(sum, pseudo, 4), f + seg, n);
		assert_int_equal(sum, 0xffff);
		field = seg + (protocol == IPPROTO_TCP ? 16 : 6);
		memcpy(before + field, f + field, 2);
		assert_memory_equal(f, before, sizeof(f));
	}
}

/* Frames that have none, or that are cut off or nonsense, stay as they are. */
static void test_others(void **state)
{
	uint8_t f[2100], before[2100];
	size_t len;
	(void)state;

	for (int version = 4; version <= 6; version += 2) {
		build(f, version, 1, 1, IPPROTO_UDP, 30, &len);
		memcpy(before, f, sizeof(f));
		for (size_t cut = 0; cut < len - 3; cut++)
			assert_false(eth_frame_finish_checksum(f, cut));
		assert_memory_equal(f, before, sizeof(f));
		build(f, version, 0, 0, IPPROTO_ICMP, 30, &len);
		assert_false(eth_frame_finish_checksum(f, len));
		build(f, version, 0, 0, IPPROTO_UDP, 7, &len);
		assert_false(eth_frame_finish_checksum(f, len));
	}
	build(f, 4, 0, 0, IPPROTO_UDP, 30, &len);
	f[14 + 6] = 0x20; /* a fragment */
	assert_false(eth_frame_finish_checksum(f, len));
	f[14 + 6] = 0;
	f[14] = 0x44; /* a header of 16 bytes */
	assert_false(eth_frame_finish_checksum(f, len));
	f[14] = 0x45;
	assert_true(eth_frame_finish_checksum(f, len));
	f[12] = 0x12;
	assert_false(eth_frame_finish_checksum(f, len));
}

/* A UDP checksum of zero is written as all ones. */
static void test_zero(void **state)
{
	uint8_t f[2100];
	size_t len, seg = build(f, 4, 0, 0, IPPROTO_UDP, 30, &len);
	unsigned sum;
	(void)state;

	f[seg + 28] = f[seg + 29] = 0;
	sum = 0xffff - add(0, f + seg, 30);
	f[seg + 28] = (uint8_t)(sum >> 8);
	f[seg + 29] = (uint8_t)sum;
	assert_true(eth_frame_finish_checksum(f, len));
	assert_memory_equal(f + seg + 6, "\xff\xff", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
