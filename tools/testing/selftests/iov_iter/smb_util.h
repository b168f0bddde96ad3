/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loopback SMB servers, and a proxy between Samba and the client, which looks at
 * each reply that it passes on.  With smb_hold() the replies to reads or writes
 * of one size are held back, or lost, see proxy_util.h.  When the connection
 * ends, the client makes another one, and sends again what it has no reply to.
 */
#ifndef SMB_UTIL_H
#define SMB_UTIL_H

#include "proxy_util.h"

#define SMB_PORT	1445		/* past the proxy */
#define KSMBD_PORT	445
#define SMB_PROXY_PORT	11445

/* Names of the protocol; what is encrypted is known by its length only. */
enum smb_op { SMB_OTHER, SMB_READ = 8, SMB_WRITE = 9 };

/* Shares @dir.  @setting is for smb.conf, and may be empty. */
void smb_serve(const char *dir, const char *setting);
void smb_end(void);

/*
 * The kernel's own server shares @dir on two networks of this machine, by TCP on
 * both, and by SMB Direct on the one that has RDMA, by iWARP.
 */
#define RDMA_ADDRESS	"10.9.0.1"
#define TCP_ADDRESS	"10.9.1.1"

void ksmbd_serve(const char *dir);
void ksmbd_end(void);

void smb_mount(int port, const char *at, const char *options);

/* What happens to replies to operations of @bytes each */
void smb_judge(enum proxy_verdict verdict, enum smb_op op, unsigned int bytes);
void smb_hold(enum smb_op op, unsigned int bytes);
void smb_pass(void);
bool smb_passes(void);		/* A connection is cut only once. */

#endif
