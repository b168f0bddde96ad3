// SPDX-License-Identifier: GPL-2.0
/*
 * Direct reads into a pipe, whose pages belong to the pipe and may be given up
 * while a read that turned out short still knows them.
 *
 * Holds on any kernel: this is to find what a conversion breaks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "dio_util.h"

#define SEED		1
#define MAX_SIZE	(128 * KIB)

static char *buf;

/* A file of @size bytes of the pattern, opened for direct I/O. */
static int file_create(const struct medium *m, size_t size)
{
	char path[64];
	int fd;

	pattern_fill(buf, size, SEED, 0);
	snprintf(path, sizeof(path), "%s/spliced", m->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0);
	must(write(fd, buf, size) == (ssize_t)size);
	must(!fsync(fd));
	close(fd);

	fd = open(path, O_RDWR | O_DIRECT);
	must(fd >= 0);
	return fd;
}

struct pipe {
	int	in;
	int	out;
	size_t	used;		/* by others, before each splice */
};

static struct pipe pipe_create(size_t size, size_t used)
{
	int fds[2];

	must(!pipe(fds));
	must(fcntl(fds[1], F_SETPIPE_SZ, size) == (int)size);
	return (struct pipe) { .out = fds[0], .in = fds[1], .used = used };
}

/* Moves a file through the pipe up to @end, whatever a splice takes of it. */
static void splice_to_end(int fd, const struct pipe *pipe, off_t pos, off_t end)
{
	char *got = alloc_pages(MAX_SIZE);
	ssize_t n;

	for (; pos < end; pos += n) {
		memset(got, 0x7e, pipe->used);
		must(write(pipe->in, got, pipe->used) == (ssize_t)pipe->used);

		n = splice(fd, &(off_t) { pos }, pipe->in, NULL, MAX_SIZE, 0);
		check(n > 0 && n <= end - pos);

		must(read(pipe->out, got, pipe->used) == (ssize_t)pipe->used);
		check(!pipe->used ||
		      (got[0] == 0x7e && !memcmp(got, got + 1, pipe->used - 1)));
		check_eq(read(pipe->out, got, MAX_SIZE), n);
		check_pattern(got, n, SEED, pos);
	}
	check_eq(splice(fd, &pos, pipe->in, NULL, MAX_SIZE, 0), 0);
	munmap(got, MAX_SIZE);
}

/* T16: a file ends where it likes, a direct read ends with a block. */
static void test_end_of_file(const void *arg)
{
	static const size_t sizes[] = {
		1, SECTOR - 1, SECTOR, SECTOR + 1, PAGE - 1, PAGE, PAGE + 1,
		10000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 100000,
	};
	const struct pipe pipes[] = {
		pipe_create(PAGE, 0),
		pipe_create(4 * PAGE, 100),
		pipe_create(16 * PAGE, 0),
		pipe_create(64 * PAGE, PAGE + 1),
	};
	const struct medium *m;
	unsigned int i, j;

	for (m = media; m < media + NR_MEDIA; m++) {
		if (!m->dir)
			continue;
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			int fd = file_create(m, sizes[i]);

			for (j = 0; j < ARRAY_SIZE(pipes); j++) {
				context("%s, %zu bytes, pipe %u", m->name,
					sizes[i], j);
				splice_to_end(fd, &pipes[j], 0, sizes[i]);
			}
			if (sizes[i] > PAGE)
				splice_to_end(fd, &pipes[2], PAGE, sizes[i]);
			close(fd);
		}
	}
}

static void test_end_of_device(const void *arg)
{
	const struct pipe pipe = pipe_create(16 * PAGE, 0);
	off_t end = lseek(media[0].cached, 0, SEEK_END);
	off_t start = end - 7 * SECTOR;

	pattern_fill(buf, end - start, SEED, start);
	must(pwrite(media[0].cached, buf, end - start, start) == end - start);
	splice_to_end(media[0].direct, &pipe, start, end);
}

static long free_memory(void)
{
	char line[64];
	long kib = -1;
	FILE *f;

	put_file("/proc/sys/vm/drop_caches", "3");
	f = fopen("/proc/meminfo", "r");
	must(f);
	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "MemFree: %ld kB", &kib);
	fclose(f);
	return kib * KIB;
}

/*
 * T16: references to the pages of a pipe leave no trace but memory that is
 * missing.  Here that would be four times what may be missing otherwise.
 */
#define LEAK	(8 * MIB)

static void test_pages_return(const void *arg)
{
	const struct pipe pipe = pipe_create(16 * PAGE, 0);
	size_t size = 64 * KIB - 1, done;
	const struct medium *m;
	long before;

	for (m = media; m < media + NR_MEDIA; m++) {
		int fd = m->dir ? file_create(m, size) : dup(m->direct);

		context("%s", m->name);
		before = free_memory();
		for (done = 0; done < 4 * LEAK; done += 64 * KIB) {
			must(splice(fd, &(off_t) { 0 }, pipe.in, NULL,
				    64 * KIB, 0) > 0);
			must(read(pipe.out, buf, 64 * KIB) > 0);
		}
		check(before - free_memory() < (long)LEAK);
		close(fd);
	}
}

/*
 * T17: processes copy a file onto itself while others truncate it.  A read that
 * goes to a page that was freed changes the memory of one of them, and one that
 * misses its page makes stale memory appear in the file.
 */
#define WORKERS		4
#define ROUNDS		60
#define IN_FILE		0x33
#define IN_MEMORY	0xc5

static void check_bytes(const unsigned char *p, size_t len, int a, int b)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != a && p[i] != b)
			check_eq(p[i], a);
}

static void copy_onto_itself(int fd, unsigned int seed)
{
	size_t len = 32 * PAGE;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		off_t from = rand_r(&seed) % 4 * PAGE;
		off_t to = rand_r(&seed) % 16 * PAGE;
		unsigned char *memory;

		must(!ftruncate(fd, rand_r(&seed) % (16 * PAGE)));
		must(pwrite(fd, buf, PAGE, to) == PAGE);
		must(!ftruncate(fd, rand_r(&seed) % (16 * PAGE)));
		must(lseek(fd, to, SEEK_SET) == to);
		/* The end of the file is where direct writes cannot be. */
		if (sendfile(fd, fd, &from, len) < 0)
			check(errno == EINVAL);

		memory = alloc_pages(len);
		memset(memory, IN_MEMORY, len);
		sched_yield();
		check_bytes(memory, len, IN_MEMORY, IN_MEMORY);
		munmap(memory, len);
	}
}

static void test_onto_itself(const void *arg)
{
	const struct medium *m = arg;
	int fd = file_create(m, 0), i, status;
	char path[64];
	ssize_t n;

	memset(buf, IN_FILE, PAGE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			copy_onto_itself(open(path, O_RDWR | O_DIRECT), i);
			_exit(0);
		}
	}
	for (i = 0; i < WORKERS; i++) {
		must(wait(&status) > 0);
		check_eq(status, 0);
	}
	while ((n = read(fd, buf, MAX_SIZE)) > 0)
		check_bytes((unsigned char *)buf, n, 0, IN_FILE);
	must(!n);
}

static const struct dio_test tests[] = {
	{ "T16 splice to the end of a file", test_end_of_file, NULL },
	{ "T16 splice to the end of a device", test_end_of_device, NULL },
	{ "T16 pages of a pipe return", test_pages_return, NULL },
	{ "T17 sendfile of a file to itself, ext4", test_onto_itself,
	  &media[1] },
	{ "T17 sendfile of a file to itself, xfs", test_onto_itself,
	  &media[2] },
	{ "T17 sendfile of a file to itself, ext2", test_onto_itself,
	  &media[3] },
};

int main(void)
{
	buf = alloc_pages(MAX_SIZE);
	media_create(false);
	dio_run_tests(tests, ARRAY_SIZE(tests));
}
