// SPDX-License-Identifier: GPL-2.0
/*
 * A cache on disk under a network filesystem: cachefiles under 9p, by way of
 * netfs.  The cache is read and written by direct I/O from and to the page
 * cache of the network filesystem, through XARRAY iterators: pages that netfs
 * lends, and of which nobody may keep hold.
 *
 * The server is a child of the test.  It counts what it is asked for, and has
 * other data the second time, which must not be seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <endian.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"

#define CACHE_DIR	"/var/tmp/fscache"
#define MOUNT_POINT	"/tmp/fscache"
#define OPTIONS		"trans=fd,version=9p2000.L,cache=fscache,cachetag=iov_iter"
#define FILE_NAME	MOUNT_POINT "/file"

#define FILE_SIZE	(MIB + 1234)
#define CACHED		1		/* the pattern of the first server */
#define CHANGED		2		/* that of the second one */
#define PATIENCE	1000		/* times 10 ms */

/* The server: as much of 9P2000.L as it takes to read one file */

#define MSIZE		(128 * KIB)
#define HEADER		7
#define IOHDR		24
#define NR_FIDS		64
#define QID_DIR		0x80

enum {
	RLERROR = 7, TSTATFS = 8, TLOPEN = 12, TGETATTR = 24, TVERSION = 100,
	TATTACH = 104, TFLUSH = 108, TWALK = 110, TREAD = 116, TCLUNK = 120,
};

struct server {
	pid_t pid;
	int sock;		/* of the client */
	unsigned int seed;
	unsigned long *nr_reads;
};

struct message {
	unsigned char buf[MSIZE + IOHDR];
	size_t pos;
};

static __u64 get(struct message *m, unsigned int size)
{
	__u64 value = 0;

	memcpy(&value, m->buf + m->pos, size);
	m->pos += size;
	return le64toh(value);
}

static void put(struct message *m, unsigned int size, __u64 value)
{
	value = htole64(value);
	memcpy(m->buf + m->pos, &value, size);
	m->pos += size;
}

static void put_qid(struct message *m, bool is_file)
{
	put(m, 1, is_file ? 0 : QID_DIR);
	put(m, 4, 1);			/* version: never changes */
	put(m, 8, is_file ? 2 : 1);	/* path */
}

static void serve_getattr(struct message *r, bool is_file)
{
	unsigned int i;

	put(r, 8, 0x7ff);		/* all that stat() wants */
	put_qid(r, is_file);
	put(r, 4, is_file ? S_IFREG | 0644 : S_IFDIR | 0755);
	put(r, 4, 0);			/* uid, gid */
	put(r, 4, 0);
	put(r, 8, 1);			/* links, device, size */
	put(r, 8, 0);
	put(r, 8, is_file ? FILE_SIZE : 0);
	put(r, 8, PAGE);
	put(r, 8, is_file ? FILE_SIZE / SECTOR : 0);
	for (i = 0; i < 10; i++)	/* times, generation, version */
		put(r, 8, 0);
}

static void serve_read(struct server *server, struct message *t,
		       struct message *r)
{
	__u64 pos = get(t, 8);
	size_t len = get(t, 4), left = pos < FILE_SIZE ? FILE_SIZE - pos : 0;

	if (len > left)
		len = left;
	put(r, 4, len);
	pattern_fill(r->buf + r->pos, len, server->seed, pos);
	r->pos += len;
	__atomic_fetch_add(server->nr_reads, 1, __ATOMIC_SEQ_CST);
}

/* Any name below the root is the file. */
static void serve_walk(struct message *t, struct message *r, bool *files,
		       unsigned int fid)
{
	unsigned int newfid = get(t, 4), nr_names = get(t, 2), i;

	must(newfid < NR_FIDS && nr_names < 2);
	files[newfid] = files[fid] || nr_names;
	put(r, 2, nr_names);
	for (i = 0; i < nr_names; i++)
		put_qid(r, true);
}

static void serve_statfs(struct message *r)
{
	unsigned int i;

	put(r, 4, 0x01021997);
	put(r, 4, PAGE);
	for (i = 0; i < 6; i++)
		put(r, 8, 1000);
	put(r, 4, 255);
}

/* Returns false for what is not known. */
static bool serve_request(struct server *server, unsigned int type,
			  struct message *t, struct message *r)
{
	static bool files[NR_FIDS];
	unsigned int fid;

	if (type == TVERSION) {
		put(r, 4, get(t, 4));
		memcpy(r->buf + r->pos, t->buf + t->pos, 2 + strlen("9P2000.L"));
		r->pos += 2 + strlen("9P2000.L");
		return true;
	}
	if (type == TFLUSH)
		return true;

	fid = get(t, 4);
	if (fid >= NR_FIDS)
		return false;
	switch (type) {
	case TATTACH:
		files[fid] = false;
		put_qid(r, false);
		break;
	case TWALK:
		serve_walk(t, r, files, fid);
		break;
	case TGETATTR:
		serve_getattr(r, files[fid]);
		break;
	case TLOPEN:
		put_qid(r, files[fid]);
		put(r, 4, 0);
		break;
	case TREAD:
		serve_read(server, t, r);
		break;
	case TSTATFS:
		serve_statfs(r);
		break;
	case TCLUNK:
		break;
	default:
		return false;
	}
	return true;
}

static void serve(struct server *server, int sock)
{
	static struct message t, r;
	unsigned int size, type, tag;

	while (recv(sock, t.buf, HEADER, MSG_WAITALL) == HEADER) {
		t.pos = 0;
		size = get(&t, 4);
		type = get(&t, 1);
		tag = get(&t, 2);
		must(size >= HEADER && size <= sizeof(t.buf));
		size -= HEADER;
		must(recv(sock, t.buf + HEADER, size, MSG_WAITALL) == size);

		r.pos = HEADER;
		if (serve_request(server, type, &t, &r)) {
			type++;
		} else {
			r.pos = HEADER;
			type = RLERROR;
			put(&r, 4, EOPNOTSUPP);
		}
		size = r.pos;
		r.pos = 0;
		put(&r, 4, size);
		put(&r, 1, type);
		put(&r, 2, tag);
		must(send(sock, r.buf, size, 0) == size);
	}
}

static void server_start(struct server *server, unsigned int seed)
{
	int socks[2];

	server->seed = seed;
	*server->nr_reads = 0;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	server->pid = fork();
	must(server->pid >= 0);
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		serve(server, socks[1]);
		_exit(0);
	}
	close(socks[1]);
	server->sock = socks[0];
}

/* The cache, and what is mounted on it */

static int cache_start(void)
{
	static const char *const commands[] = {
		"dir " CACHE_DIR, "tag iov_iter", "bind",
	};
	unsigned int i;
	int fd;

	run("rm -rf %s && mkdir -p %s %s", CACHE_DIR, CACHE_DIR, MOUNT_POINT);
	fd = open("/dev/cachefiles", O_RDWR);
	must(fd >= 0);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		must(write(fd, commands[i], strlen(commands[i])) > 0);
	return fd;
}

static void mount_file(struct server *server, unsigned int seed)
{
	char options[256];

	server_start(server, seed);
	snprintf(options, sizeof(options), OPTIONS ",msize=%lu,rfdno=%d,wfdno=%d",
		 MSIZE, server->sock, server->sock);
	must(!mount("test", MOUNT_POINT, "9p", MS_NOATIME, options));
	close(server->sock);
}

/* Waits for the pages that are on their way to the cache. */
static void umount_file(struct server *server)
{
	must(!umount(MOUNT_POINT));
	must(waitpid(server->pid, NULL, 0) == server->pid);
}

static void check_file(int fd, unsigned int seed)
{
	char *buf = alloc_pages(2 * MIB);

	check_eq(pread(fd, buf, 2 * MIB, 0), FILE_SIZE);
	check_pattern(buf, FILE_SIZE, seed, 0);
	munmap(buf, 2 * MIB);
}

static size_t nr_cached(int fd)
{
	size_t nr_pages = (FILE_SIZE + PAGE - 1) / PAGE, nr = 0, i;
	unsigned char present[nr_pages];
	void *p = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED);
	must(!mincore(p, FILE_SIZE, present));
	for (i = 0; i < nr_pages; i++)
		nr += present[i] & 1;
	munmap(p, FILE_SIZE);
	return nr;
}

/*
 * A page that somebody holds cannot be dropped.  Those that are on their way to
 * the cache are held for a while.
 */
static void check_not_held(int fd)
{
	int tries = PATIENCE;

	check(nr_cached(fd) > 0);
	do {
		must(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	} while (nr_cached(fd) && tries-- && !usleep(10000));
	check_eq(nr_cached(fd), 0);
}

static unsigned int nr_cache_files;

static int check_cache_file(const char *path, const struct stat *st, int type,
			    struct FTW *ftw)
{
	char *buf;
	int fd;

	if (type != FTW_F)
		return 0;
	nr_cache_files++;
	buf = alloc_pages(2 * MIB);
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	check(pread(fd, buf, 2 * MIB, 0) >= (ssize_t)FILE_SIZE);
	check_pattern(buf, FILE_SIZE, CACHED, 0);
	close(fd);
	munmap(buf, 2 * MIB);
	return 0;
}

static struct server server;

static void read_once(unsigned int seed, bool cold)
{
	unsigned long nr_reads;
	int fd;

	mount_file(&server, seed);
	fd = open(FILE_NAME, O_RDONLY);
	check(fd >= 0);
	check_file(fd, CACHED);
	nr_reads = __atomic_load_n(server.nr_reads, __ATOMIC_SEQ_CST);
	if (cold)
		check(nr_reads > 0);
	else
		check_eq(nr_reads, 0);
	check_not_held(fd);
	/* from the cache, while the file is open */
	check_file(fd, CACHED);
	check_eq(__atomic_load_n(server.nr_reads, __ATOMIC_SEQ_CST), nr_reads);
	check_not_held(fd);
	close(fd);
	umount_file(&server);
}

static void test_read(const void *arg)
{
	int cache = cache_start();

	context("cold");
	read_once(CACHED, true);
	check_eq(nftw(CACHE_DIR "/cache", check_cache_file, 8, FTW_PHYS), 0);
	check_eq(nr_cache_files, 1);
	context("warm");
	read_once(CHANGED, false);
	close(cache);
}

static const struct dio_test tests[] = {
	{ "read", test_read, NULL },
};

int main(void)
{
	server.nr_reads = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(server.nr_reads != MAP_FAILED);
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
