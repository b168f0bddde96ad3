// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded into QEMU, this holds back what its 9p server reads from a file named
 * "held".  The guest tells it what to do by other files in the same directory:
 *
 *	hold		reads are held while this is there
 *	held.N		made here: N reads were held before this one, which is
 *	release.N	made by the guest to let that read go on
 *	done.N		made here when the data is in the guest's memory
 *
 * The read has been given to the server, and the guest's memory is mapped, but
 * nothing is written to it before the release.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define HELD	"/held"

static int nr_held;

/* The directory of the file if it is one of those, else false */
static int held_dir(int fd, char *dir)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, dir, PATH_MAX - 1);
	if (len < (ssize_t)strlen(HELD))
		return 0;
	dir[len] = 0;
	len -= strlen(HELD);
	if (strcmp(dir + len, HELD))
		return 0;
	dir[len] = 0;
	return 1;
}

static int exists(const char *dir, const char *name, int nr)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (nr >= 0)
		snprintf(path + strlen(path), 16, ".%d", nr);
	return !access(path, F_OK);
}

static void make(const char *dir, const char *name, int nr)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s.%d", dir, name, nr);
	close(open(path, O_CREAT | O_WRONLY, 0666));
}

ssize_t preadv64(int fd, const struct iovec *iov, int nr_iov, off64_t pos)
{
	static ssize_t (*real)(int, const struct iovec *, int, off64_t);
	char dir[PATH_MAX];
	ssize_t ret;
	int nr;

	if (!real)
		real = dlsym(RTLD_NEXT, "preadv64");
	if (!held_dir(fd, dir) || !exists(dir, "hold", -1))
		return real(fd, iov, nr_iov, pos);

	nr = __atomic_fetch_add(&nr_held, 1, __ATOMIC_SEQ_CST);
	make(dir, "held", nr);
	while (!exists(dir, "release", nr))
		usleep(2000);
	ret = real(fd, iov, nr_iov, pos);
	make(dir, "done", nr);
	return ret;
}
