// SPDX-License-Identifier: GPL-2.0
/*
 * Empty filesystems, written field by field, of the kinds that nothing in
 * Debian can make.  Both are big-endian, and what stays zero is not mentioned.
 */
#include <endian.h>
#include <fcntl.h>
#include <linux/types.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "fs_util.h"

#define BLOCK	4096

static void put16(void *p, size_t offset, __u16 value)
{
	value = htobe16(value);
	memcpy(p + offset, &value, sizeof(value));
}

static void put32(void *p, size_t offset, __u32 value)
{
	value = htobe32(value);
	memcpy(p + offset, &value, sizeof(value));
}

/* A bitmap is one block, which limits the size of the device. */
static void check_size(size_t size)
{
	must(size < BLOCK * 8UL * BLOCK - MIB);
}

static void write_at(int fd, off_t pos, const void *data, size_t len)
{
	must(pwrite(fd, data, len, pos) == (ssize_t)len);
}

static void write_block(int fd, __u32 nr, const void *block)
{
	write_at(fd, (off_t)nr * BLOCK, block, BLOCK);
}

/*
 * AFFS: two boot blocks, the root block in the middle of the device, the bitmap
 * of free blocks behind it.  A block that is a list of words has them add up to
 * zero.
 */
#define AFFS_BOOT_BLOCKS	2
#define AFFS_WORDS		(BLOCK / 4)

static void affs_checksum(__u32 *block, unsigned int at)
{
	__u32 sum = 0;
	unsigned int i;

	for (i = 0; i < AFFS_WORDS; i++)
		sum += be32toh(block[i]);
	block[at] = htobe32(-sum);
}

static void affs_put_root(int fd, __u32 root, __u32 bitmap)
{
	__u32 block[AFFS_WORDS] = {};
	__u32 *tail = block + AFFS_WORDS - 50;

	block[0] = htobe32(2);			/* a header */
	block[3] = htobe32(AFFS_WORDS - 56);	/* slots in the hash table */
	tail[0] = htobe32(-1);			/* the bitmap is valid */
	tail[1] = htobe32(bitmap);
	memcpy(tail + 30, "\4test", 5);
	tail[49] = htobe32(1);			/* of the root */
	affs_checksum(block, 5);
	write_block(fd, root, block);
}

static void affs_put_bitmap(int fd, __u32 root, __u32 bitmap)
{
	__u32 block[AFFS_WORDS];
	__u32 used[] = { root - AFFS_BOOT_BLOCKS, bitmap - AFFS_BOOT_BLOCKS };
	unsigned int i;

	memset(block, 0xff, sizeof(block));
	block[0] = 0;
	for (i = 0; i < 2; i++)
		block[1 + used[i] / 32] &= ~htobe32(1U << used[i] % 32);
	affs_checksum(block, 0);
	write_block(fd, bitmap, block);
}

void affs_make(const char *dev, size_t size)
{
	__u32 root = (size / BLOCK + AFFS_BOOT_BLOCKS - 1) / 2;
	int fd = open(dev, O_WRONLY);

	check_size(size);
	must(fd >= 0);
	write_at(fd, 0, "DOS\1", 4);
	affs_put_root(fd, root, root + 1);
	affs_put_bitmap(fd, root, root + 1);
	must(!fsync(fd) && !close(fd));
}

/*
 * HFS+: the volume header is 1024 bytes from the start, a copy as far from the
 * end.  Behind the first the bitmap of blocks, then two B-trees: extents, which
 * is empty, and catalog, which has one leaf with two records of the root folder.
 */
#define HFSP_HEADER		1024
#define HFSP_HEADER_SIZE	512
#define HFSP_NODES		16	/* of a B-tree, a block each */
#define HFSP_HEAD_BLOCKS	(2 + 2 * HFSP_NODES)

enum hfsp_block { HFSP_BITMAP = 1, HFSP_EXTENTS, HFSP_CATALOG = 2 + HFSP_NODES };

static void hfsp_put_fork(char *header, size_t offset, __u32 start,
			  __u32 nr_blocks)
{
	char *fork = header + offset;

	put32(fork, 4, nr_blocks * BLOCK);	/* low half of the size */
	put32(fork, 8, BLOCK);			/* to grow by */
	put32(fork, 12, nr_blocks);
	put32(fork, 16, start);
	put32(fork, 20, nr_blocks);
}

static void hfsp_put_header(int fd, size_t size)
{
	char header[HFSP_HEADER_SIZE] = {};

	put16(header, 0, 0x482b);		/* signature */
	put16(header, 2, 4);			/* version */
	put32(header, 4, 1 << 8);		/* unmounted cleanly */
	put32(header, 40, BLOCK);
	put32(header, 44, size / BLOCK);
	put32(header, 48, size / BLOCK - HFSP_HEAD_BLOCKS - 1);
	put32(header, 52, HFSP_HEAD_BLOCKS);	/* next block to allocate */
	put32(header, 64, 16);			/* next ID */
	hfsp_put_fork(header, 112, HFSP_BITMAP, 1);
	hfsp_put_fork(header, 192, HFSP_EXTENTS, HFSP_NODES);
	hfsp_put_fork(header, 272, HFSP_CATALOG, HFSP_NODES);

	write_at(fd, HFSP_HEADER, header, sizeof(header));
	write_at(fd, size - HFSP_HEADER, header, sizeof(header));
}

static void hfsp_put_bitmap(int fd, __u32 nr_blocks)
{
	unsigned char block[BLOCK] = {};
	__u32 i;

	for (i = 0; i < HFSP_HEAD_BLOCKS; i++)
		block[i / 8] |= 0x80 >> i % 8;
	i = nr_blocks - 1;
	block[i / 8] |= 0x80 >> i % 8;
	write_block(fd, HFSP_BITMAP, block);
}

/* A node: descriptor, records, and from its end on where the records are. */
static void hfsp_put_node(char *node, int kind, int height, int nr_records,
			  const __u16 *offsets)
{
	int i;

	node[8] = kind;
	node[9] = height;
	put16(node, 10, nr_records);
	for (i = 0; i <= nr_records; i++)
		put16(node, BLOCK - 2 * (i + 1), offsets[i]);
}

/* The first node: header record, one that is reserved, bitmap of nodes. */
static void hfsp_put_tree(int fd, __u32 start, int max_key_len,
			  __u32 attributes, int nr_leaves, int nr_records)
{
	static const __u16 offsets[] = { 14, 120, 248, BLOCK - 8 };
	char node[BLOCK] = {};
	char *head = node + 14;

	hfsp_put_node(node, 1, 0, 3, offsets);
	put16(head, 0, nr_leaves);		/* depth */
	put32(head, 2, nr_leaves);		/* root */
	put32(head, 6, nr_records);
	put32(head, 10, nr_leaves);		/* first leaf */
	put32(head, 14, nr_leaves);		/* last leaf */
	put16(head, 18, BLOCK);
	put16(head, 20, max_key_len);
	put32(head, 22, HFSP_NODES);
	put32(head, 26, HFSP_NODES - 1 - nr_leaves);
	put32(head, 32, BLOCK);			/* to grow by */
	put32(head, 38, attributes);
	node[248] = 0xff << (7 - nr_leaves);
	write_block(fd, start, node);
}

static void hfsp_put_root(int fd)
{
	static const __u16 offsets[] = { 14, 112, 132 };
	char node[BLOCK] = {};
	char *key = node + offsets[0];
	char *folder = key + 10;

	hfsp_put_node(node, 0xff, 1, 2, offsets);

	/* By the parent's ID and the name: a folder, and its ID */
	put16(key, 0, 8);
	put32(key, 2, 1);
	put16(key, 6, 1);
	put16(key, 8, 't');
	put16(folder, 0, 1);
	put32(folder, 8, 2);
	put16(folder, 42, S_IFDIR | 0755);

	/* By its ID and no name: a thread, with the key of the folder */
	key = node + offsets[1];
	put16(key, 0, 6);
	put32(key, 2, 2);
	put16(key, 8, 3);
	put32(key, 12, 1);
	put16(key, 16, 1);
	put16(key, 18, 't');
	write_block(fd, HFSP_CATALOG + 1, node);
}

void hfsplus_make(const char *dev, size_t size)
{
	int fd = open(dev, O_WRONLY);

	check_size(size);
	must(fd >= 0);
	hfsp_put_header(fd, size);
	hfsp_put_bitmap(fd, size / BLOCK);
	hfsp_put_tree(fd, HFSP_EXTENTS, 10, 2, 0, 0);
	hfsp_put_tree(fd, HFSP_CATALOG, 516, 6, 1, 2);
	hfsp_put_root(fd);
	must(!fsync(fd) && !close(fd));
}
