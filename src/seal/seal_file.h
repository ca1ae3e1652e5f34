/* seal_file.h - the key files of sealed datagrams */
#ifndef SEAL_SEAL_FILE_H
#define SEAL_SEAL_FILE_H

#include "seal/seal.h"

/* Names of the files: of options seal, sign-key, trust; the last two may be NULL. */
struct seal_files {
	const char *group, *sign, *trust;
};

/* Read @files into @k. Secrets that group or
 * others may read or write are refused, and so is a list of the trusted that they may write.
 * Returns 0, or -1 with @err and an untouched @k. */
int seal_keys_read(struct seal_keys *k, const struct seal_crypto *crypto,
		   const struct seal_files *files, struct err *err);

#endif
