/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring of a vhost device: the part of a virtual machine monitor that drives
 * it, without a virtual machine.  The addresses of the "guest" are those of the
 * test.
 */
#ifndef VRING_UTIL_H
#define VRING_UTIL_H

#include <linux/types.h>
#include <linux/vhost.h>
#include <linux/virtio_ring.h>

struct vring_dev {
	int fd;
	struct vring ring;
	/* private */
	int kick;
	int call;
	unsigned short used;
};

/* A device with one ring, the one that is number @index to the device */
void vring_open(struct vring_dev *dev, const char *path, __u64 features,
		unsigned int index, unsigned int nr_descs);
/* Returns when the kernel has finished with what was submitted. */
void vring_close(struct vring_dev *dev);

/* Gives the device the chain of descriptors that begins with @head. */
void vring_submit(struct vring_dev *dev, unsigned int head);
/* A chain that the device has given back, or -1 */
int vring_reap(struct vring_dev *dev);
/* The same, until there is one */
int vring_wait(struct vring_dev *dev);

#endif
