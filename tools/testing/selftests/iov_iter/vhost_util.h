/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A SCSI disk by way of vhost-scsi, for tests that look at what becomes of the
 * memory of its commands.
 */
#ifndef VHOST_UTIL_H
#define VHOST_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>
#include <linux/types.h>
#include <linux/virtio_scsi.h>

#include "vring_util.h"

/* A target of one disk */
struct target {
	const char *wwn;
	const char *store;	/* as configfs has it, such as "rd_mcp_0" */
	const char *control;	/* what makes the disk */
	bool pi;		/* the disk has protection information, type 1 */
};

void target_create(const struct target *target);
void target_remove(const struct target *target);

/* Take the disk away, and give it back. */
void target_unlink(const struct target *target);
void target_link(const struct target *target);

/* Commands in flight are told apart by a slot of the ring. */
#define NR_SLOTS	8

/* As many descriptors as vhost takes, without those for the headers */
#define MAX_SEGS	1022

struct vhost_cmd {
	bool write;
	unsigned int lba;
	unsigned int nr_blocks;
	const struct iovec *data;
	unsigned int nr_data;
	const struct iovec *prot;	/* on the wire if there are any */
	unsigned int nr_prot;
	size_t prot_len;		/* 0: as long as @prot */
};

struct vhost_slot {
	struct vring_desc table[MAX_SEGS + 2];
	union {
		struct virtio_scsi_cmd_req req;
		struct virtio_scsi_cmd_req_pi req_pi;
	};
	struct virtio_scsi_cmd_resp resp;
	bool done;
};

struct vhost {
	/* private */
	struct vring_dev dev;
	const struct target *target;
	struct vhost_slot *slots;
};

/* Drives a ring with the endpoint set. */
void vhost_open(struct vhost *vhost, const struct target *target);
void vhost_close(struct vhost *vhost);
void vhost_clear_endpoint(struct vhost *vhost);

void vhost_submit(struct vhost *vhost, unsigned int slot,
		  const struct vhost_cmd *cmd);

/* SCSI status, or the response of virtio-scsi times 256: 0 is success. */
int vhost_wait(struct vhost *vhost, unsigned int slot);
int vhost_do(struct vhost *vhost, const struct vhost_cmd *cmd);

#define VHOST_BAD_TARGET	(VIRTIO_SCSI_S_BAD_TARGET << 8)
#define CHECK_CONDITION		2

#endif
