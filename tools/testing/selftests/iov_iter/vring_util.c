// SPDX-License-Identifier: GPL-2.0
/* See vring_util.h. */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "iov_iter_util.h"
#include "vring_util.h"

#define PATIENCE_MS	60000

static void set_ring(struct vring_dev *dev, unsigned int index)
{
	struct vhost_vring_state state = { .index = index };
	struct vhost_vring_file file = { .index = index };
	struct vhost_vring_addr addr = {
		.index		= index,
		.desc_user_addr	= (uintptr_t)dev->ring.desc,
		.avail_user_addr = (uintptr_t)dev->ring.avail,
		.used_user_addr	= (uintptr_t)dev->ring.used,
	};

	must(!ioctl(dev->fd, VHOST_SET_VRING_BASE, &state));
	state.num = dev->ring.num;
	must(!ioctl(dev->fd, VHOST_SET_VRING_NUM, &state));
	must(!ioctl(dev->fd, VHOST_SET_VRING_ADDR, &addr));
	file.fd = dev->kick;
	must(!ioctl(dev->fd, VHOST_SET_VRING_KICK, &file));
	file.fd = dev->call;
	must(!ioctl(dev->fd, VHOST_SET_VRING_CALL, &file));
}

/* All that a process can map, at the address where it is mapped */
static void set_memory(struct vring_dev *dev)
{
	char buf[sizeof(struct vhost_memory) +
		 sizeof(struct vhost_memory_region)] = {};
	struct vhost_memory *memory = (void *)buf;

	memory->nregions = 1;
	memory->regions[0].memory_size = (1ULL << 47) - VHOST_PAGE_SIZE;
	must(!ioctl(dev->fd, VHOST_SET_MEM_TABLE, memory));
}

void vring_open(struct vring_dev *dev, const char *path, __u64 features,
		unsigned int index, unsigned int nr_descs)
{
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	must(dev->fd >= 0);
	dev->kick = eventfd(0, EFD_CLOEXEC);
	dev->call = eventfd(0, EFD_CLOEXEC);
	must(dev->kick >= 0 && dev->call >= 0);
	dev->used = 0;
	vring_init(&dev->ring, nr_descs,
		   alloc_pages(vring_size(nr_descs, VHOST_PAGE_SIZE)),
		   VHOST_PAGE_SIZE);

	must(!ioctl(dev->fd, VHOST_SET_OWNER));
	must(!ioctl(dev->fd, VHOST_SET_FEATURES, &features));
	set_memory(dev);
	set_ring(dev, index);
}

void vring_close(struct vring_dev *dev)
{
	close(dev->fd);
	close(dev->kick);
	close(dev->call);
	munmap(dev->ring.desc, vring_size(dev->ring.num, VHOST_PAGE_SIZE));
}

void vring_submit(struct vring_dev *dev, unsigned int head)
{
	struct vring_avail *avail = dev->ring.avail;

	avail->ring[avail->idx % dev->ring.num] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
	must(!eventfd_write(dev->kick, 1));
}

int vring_reap(struct vring_dev *dev)
{
	struct vring_used *used = dev->ring.used;

	if (dev->used == __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE))
		return -1;
	return used->ring[dev->used++ % dev->ring.num].id;
}

int vring_wait(struct vring_dev *dev)
{
	struct pollfd fd = { .fd = dev->call, .events = POLLIN };
	eventfd_t calls;
	int head;

	while ((head = vring_reap(dev)) < 0) {
		must(poll(&fd, 1, PATIENCE_MS) == 1);
		must(!eventfd_read(dev->call, &calls));
	}
	return head;
}
