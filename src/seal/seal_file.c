/* seal_file.c - the key files of sealed datagrams, see seal_file.h */
#include "seal/seal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)64 << 10) /* bytes; keys and comments */
#define SECRET 077 /* nobody else may read or write it */
#define PUBLIC 022 /* nobody else may write it */

/* Asked of the descriptor: the name may change. Anything but a file could make us wait. */
static int check_file(int fd, const char *path, mode_t forbidden, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_set(err, errno, "fstat(\"%s\")", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, 0, "key file \"%s\" is no regular file", path);
	if (st.st_mode & forbidden)
		return err_set(
			err, 0, "key file \"%s\" can be %s by others (mode %03o); try: chmod %s %s",
			path, forbidden == SECRET ? "read or written" : "written",
			(unsigned)st.st_mode & 0777, forbidden == SECRET ? "600" : "go-w", path);
	return 0;
}

/* The whole file into @text, FILE_MAX + 1 bytes; its length, or -1 with @err. */
static ssize_t read_all(int fd, char *text, const char *path, struct err *err)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, FILE_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (n == -1)
		return err_set(err, errno, "read(\"%s\")", path);
	if (len > FILE_MAX)
		return err_set(err, 0, "key file \"%s\" is longer than %zu bytes", path, FILE_MAX);
	return (ssize_t)len;
}

static ssize_t read_keys(const struct seal_crypto *crypto, uint8_t (*out)[SEAL_KEY], size_t max,
			 const char *path, mode_t forbidden, struct err *err)
{
	char text[FILE_MAX + 1];
	ssize_t len, n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return err_set(err, errno, "open(\"%s\", O_RDONLY)", path);
	if (check_file(fd, path, forbidden, err) == 0) {
		len = read_all(fd, text, path, err);
		if (len >= 0)
			n = seal_parse_keys(crypto, out, max, text, (size_t)len, path, err);
		explicit_bzero(text, sizeof(text));
	}
	close(fd);
	return n;
}

static int read_files(struct seal_keys *k, const struct seal_crypto *crypto,
		      const struct seal_files *files, struct err *err)
{
	uint8_t secret[SEAL_KEYS][SEAL_KEY];
	ssize_t n = read_keys(crypto, secret, SEAL_KEYS, files->group, SECRET, err);
	struct err why;
	int rc = n == -1 ? -1 : seal_keys_set(k, crypto, secret, (size_t)n, &why);

	explicit_bzero(secret, sizeof(secret));
	if (rc == -1)
		return n == -1 ? -1 : err_set(err, 0, "\"%s\": %s", files->group, why.text);
	k->signs = files->sign;
	if (k->signs) {
		if (read_keys(crypto, &k->seed, 1, files->sign, SECRET, err) == -1)
			return -1;
		crypto->public_key(k->own, k->seed);
	}
	k->trusts = files->trust;
	if (!k->trusts)
		return 0;
	n = read_keys(crypto, k->trusted, SEAL_TRUSTED, files->trust, PUBLIC, err);
	k->ntrusted = n > 0 ? (size_t)n : 0;
	return n == -1 ? -1 : 0;
}

int seal_keys_read(struct seal_keys *k, const struct seal_crypto *crypto,
		   const struct seal_files *files, struct err *err)
{
	struct seal_keys now = { 0 };
	int rc = read_files(&now, crypto, files, err);

	if (rc == 0)
		memcpy(k, &now, sizeof(*k));
	explicit_bzero(&now, sizeof(now));
	return rc;
}
