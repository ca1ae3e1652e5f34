/* nft_module.h - rules of nftables: what the module of jansson exports */
#ifndef DOCTOR_RULES_NFT_MODULE_H
#define DOCTOR_RULES_NFT_MODULE_H

#include "base/str.h"
#include "doctor/rules/rules.h"

#define NFT_MODULE "socast_nft"
#define NFT_SYMBOL "nft_read"

/* Read the output of "nft -j list ruleset" into @r, judged for @p. 0, or -1: it is none. */
typedef int nft_read_fn(struct rules *r, const struct str *text, const struct packet *p);
nft_read_fn nft_read;

#endif
