/* eth_frame.c - frames as they would be on a wire, see eth_frame.h */
#include "dgram/eth_frame.h"

#include "base/log.h"
#include "dgram/ancillary.h"

#include <linux/if_ether.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#define VLAN_AT 12 /* bytes of a frame before its tag: the two addresses */

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Where the TCP or UDP segment of a frame is. */
struct segment {
	size_t start, end;
	int protocol;
};

static bool find_in_ip4(const uint8_t *f, size_t at, size_t len, struct segment *s)
{
	size_t head, total;

	if (len < at + 20)
		return false;
	head = (size_t)(f[at] & 15) * 4;
	total = be16(f + at + 2);
	*s = (struct segment){ at + head, at + total, f[at + 9] };
	/* only the first fragment has a header, and that alone has no checksum */
	return head >= 20 && total >= head && s->end <= len && !(be16(f + at + 6) & 0x3fff);
}

static bool find_in_ip6(const uint8_t *f, size_t at, size_t len, struct segment *s)
{
	if (len < at + 40)
		return false;
	*s = (struct segment){ at + 40, at + 40 + be16(f + at + 4), f[at + 6] };
	if (s->end > len)
		return false;
	while (s->protocol == IPPROTO_HOPOPTS || s->protocol == IPPROTO_ROUTING ||
	       s->protocol == IPPROTO_DSTOPTS) {
		if (s->start + 8 > s->end)
			return false;
		s->protocol = f[s->start];
		s->start += ((size_t)f[s->start + 1] + 1) * 8;
	}
	return true;
}

static bool find_segment(const uint8_t *f, size_t len, struct segment *s)
{
	size_t at = VLAN_AT;
	unsigned type;

	do {
		if (len < at + 2)
			return false;
		type = be16(f + at);
		at += type == ETH_P_8021Q || type == ETH_P_8021AD ? 4 : 2;
	} while (type == ETH_P_8021Q || type == ETH_P_8021AD);
	if (type == ETH_P_IP)
		return find_in_ip4(f, at, len, s);
	return type == ETH_P_IPV6 && find_in_ip6(f, at, len, s);
}

bool eth_frame_finish_checksum(uint8_t *frame, size_t len)
{
	struct segment s = { 0 };
	uint64_t sum = 0;
	size_t field;

	if (!find_segment(frame, len, &s) ||
	    (s.protocol != IPPROTO_TCP && s.protocol != IPPROTO_UDP))
		return false;
	field = s.start + (s.protocol == IPPROTO_TCP ? offsetof(struct tcphdr, th_sum)
						     : offsetof(struct udphdr, uh_sum));
	if (field + 2 > s.end)
		return false;
	for (size_t i = s.start; i + 1 < s.end; i += 2)
		sum += be16(frame + i);
	if ((s.end - s.start) & 1)
		sum += (uint64_t)frame[s.end - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (!sum && s.protocol == IPPROTO_UDP)
		sum = 0xffff; /* 0 would mean that there is none */
	frame[field] = (uint8_t)(sum >> 8);
	frame[field + 1] = (uint8_t)sum;
	return true;
}

void eth_frame_complete(struct batch *b, size_t i, bool vlan, int fd)
{
	const struct message *m = &b->msg[b->packet[i].msg];
	struct packet *p = &b->packet[i];
	uint8_t tag[4];

	if (ancillary_checksum_due(m))
		eth_frame_finish_checksum(p->data, p->len);
	if (!vlan || !ancillary_vlan(m, tag))
		return;
	if (!batch_insert(b, i, VLAN_AT, tag, sizeof(tag)))
		log_info("a frame of %u bytes on socket %d stays without its VLAN tag",
			 (unsigned)p->len, fd);
}
