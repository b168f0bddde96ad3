// SPDX-License-Identifier: GPL-2.0
/* See vhost_util.h. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <asm/byteorder.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "iov_iter_util.h"
#include "vhost_util.h"

#define CONFIG		"/sys/kernel/config/target"
#define FABRIC		CONFIG "/vhost"
#define INITIATOR	"naa.5001405000000001"

#define IO_RING		2		/* after those for control and events */
#define NR_DESCS	16
#define READ_10		0x28
#define WRITE_10	0x2a
#define PROTECT		0x20		/* RDPROTECT, WRPROTECT: transfer, check */

/* The target */

static void lun_path(char *path, size_t size, const struct target *target)
{
	snprintf(path, size, FABRIC "/%s/tpgt_1/lun/lun_0/disk", target->wwn);
}

void target_link(const struct target *target)
{
	char store[128], lun[128];

	lun_path(lun, sizeof(lun), target);
	snprintf(store, sizeof(store), CONFIG "/core/%s/disk", target->store);
	must(!symlink(store, lun));
}

void target_unlink(const struct target *target)
{
	char lun[128];

	lun_path(lun, sizeof(lun), target);
	must(!unlink(lun));
}

void target_create(const struct target *target)
{
	const char *store = target->store, *wwn = target->wwn;

	run("mkdir -p " CONFIG "/core/%s/disk", store);
	run("echo %s >" CONFIG "/core/%s/disk/control", target->control, store);
	run("echo 1 >" CONFIG "/core/%s/disk/enable", store);
	if (target->pi)
		run("echo 1 >" CONFIG "/core/%s/disk/attrib/pi_prot_type", store);
	run("mkdir -p " FABRIC "/%s/tpgt_1/lun/lun_0", wwn);
	run("echo " INITIATOR " >" FABRIC "/%s/tpgt_1/nexus", wwn);
	target_link(target);
}

void target_remove(const struct target *target)
{
	const char *store = target->store, *wwn = target->wwn;

	target_unlink(target);
	run("echo NULL >" FABRIC "/%s/tpgt_1/nexus", wwn);
	run("cd " FABRIC "/%s && rmdir tpgt_1/lun/lun_0 tpgt_1", wwn);
	run("rmdir " FABRIC "/%s", wwn);
	run("cd " CONFIG "/core && rmdir %s/disk %s", store, store);
}

/* The device */

static void set_endpoint(struct vhost *vhost, unsigned long request)
{
	struct vhost_scsi_target target = {
		.abi_version = VHOST_SCSI_ABI_VERSION,
	};

	strncpy(target.vhost_wwpn, vhost->target->wwn,
		sizeof(target.vhost_wwpn) - 1);
	must(!ioctl(vhost->dev.fd, request, &target));
}

void vhost_open(struct vhost *vhost, const struct target *target)
{
	__u64 features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC;

	memset(vhost, 0, sizeof(*vhost));
	vhost->target = target;
	if (target->pi)
		features |= 1ULL << VIRTIO_SCSI_F_T10_PI;
	vhost->slots = alloc_pages(NR_SLOTS * sizeof(*vhost->slots));
	vring_open(&vhost->dev, "/dev/vhost-scsi", features, IO_RING, NR_DESCS);
	set_endpoint(vhost, VHOST_SCSI_SET_ENDPOINT);
}

void vhost_clear_endpoint(struct vhost *vhost)
{
	set_endpoint(vhost, VHOST_SCSI_CLEAR_ENDPOINT);
}

void vhost_close(struct vhost *vhost)
{
	vring_close(&vhost->dev);
	munmap(vhost->slots, NR_SLOTS * sizeof(*vhost->slots));
}

/* Commands */

static void make_cdb(__u8 *cdb, const struct vhost_cmd *cmd)
{
	__be32 lba = __cpu_to_be32(cmd->lba);
	__be16 nr_blocks = __cpu_to_be16(cmd->nr_blocks);

	cdb[0] = cmd->write ? WRITE_10 : READ_10;
	cdb[1] = cmd->nr_prot ? PROTECT : 0;
	memcpy(cdb + 2, &lba, sizeof(lba));
	memcpy(cdb + 7, &nr_blocks, sizeof(nr_blocks));
}

static size_t total_len(const struct iovec *segs, unsigned int nr_segs)
{
	size_t len = 0;

	while (nr_segs--)
		len += segs++->iov_len;
	return len;
}

/* Returns the length of the header. */
static size_t make_header(struct vhost *vhost, struct vhost_slot *slot,
			  const struct vhost_cmd *cmd)
{
	static const __u8 lun[8] = { 1, 1, 0x40 };	/* target 1, LUN 0 */
	size_t prot_len = cmd->prot_len ?: total_len(cmd->prot, cmd->nr_prot);

	memset(&slot->req_pi, 0, sizeof(slot->req_pi));
	if (!vhost->target->pi) {
		memcpy(slot->req.lun, lun, sizeof(lun));
		make_cdb(slot->req.cdb, cmd);
		return sizeof(slot->req);
	}
	memcpy(slot->req_pi.lun, lun, sizeof(lun));
	make_cdb(slot->req_pi.cdb, cmd);
	if (cmd->write)
		slot->req_pi.pi_bytesout = prot_len;
	else
		slot->req_pi.pi_bytesin = prot_len;
	return sizeof(slot->req_pi);
}

static struct vring_desc *add_desc(struct vring_desc *desc, const void *base,
				   size_t len, unsigned int flags)
{
	*desc = (struct vring_desc) {
		.addr	= (uintptr_t)base,
		.len	= len,
		.flags	= flags | VRING_DESC_F_NEXT,
	};
	return desc + 1;
}

static struct vring_desc *add_segs(struct vring_desc *desc,
				   const struct vhost_cmd *cmd,
				   unsigned int flags)
{
	unsigned int i;

	for (i = 0; i < cmd->nr_prot; i++)
		desc = add_desc(desc, cmd->prot[i].iov_base,
				cmd->prot[i].iov_len, flags);
	for (i = 0; i < cmd->nr_data; i++)
		desc = add_desc(desc, cmd->data[i].iov_base,
				cmd->data[i].iov_len, flags);
	return desc;
}

static unsigned int make_table(struct vhost *vhost, struct vhost_slot *slot,
			       const struct vhost_cmd *cmd)
{
	struct vring_desc *desc = slot->table;
	unsigned int nr_descs, i;

	must(cmd->nr_prot + cmd->nr_data <= MAX_SEGS);
	desc = add_desc(desc, &slot->req, make_header(vhost, slot, cmd), 0);
	if (cmd->write)
		desc = add_segs(desc, cmd, 0);
	desc = add_desc(desc, &slot->resp, sizeof(slot->resp),
			VRING_DESC_F_WRITE);
	if (!cmd->write)
		desc = add_segs(desc, cmd, VRING_DESC_F_WRITE);

	desc[-1].flags &= ~VRING_DESC_F_NEXT;
	nr_descs = desc - slot->table;
	for (i = 0; i < nr_descs; i++)
		slot->table[i].next = i + 1;
	return nr_descs;
}

void vhost_submit(struct vhost *vhost, unsigned int nr,
		  const struct vhost_cmd *cmd)
{
	struct vhost_slot *slot = &vhost->slots[nr];

	slot->done = false;
	memset(&slot->resp, 0xff, sizeof(slot->resp));
	vhost->dev.ring.desc[nr] = (struct vring_desc) {
		.addr	= (uintptr_t)slot->table,
		.len	= make_table(vhost, slot, cmd) * sizeof(*slot->table),
		.flags	= VRING_DESC_F_INDIRECT,
	};
	vring_submit(&vhost->dev, nr);
}

int vhost_wait(struct vhost *vhost, unsigned int nr)
{
	struct vhost_slot *slot = &vhost->slots[nr];

	while (!slot->done) {
		unsigned int done = vring_wait(&vhost->dev);

		must(done < NR_SLOTS);
		vhost->slots[done].done = true;
	}
	return slot->resp.response << 8 | slot->resp.status;
}

int vhost_do(struct vhost *vhost, const struct vhost_cmd *cmd)
{
	vhost_submit(vhost, 0, cmd);
	return vhost_wait(vhost, 0);
}
