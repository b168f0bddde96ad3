/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A loopback NFS server, and a proxy between it and the client, which looks at
 * each call that it passes on.  With nfs_hold() the replies to the READs or
 * WRITEs of one size are held back, see proxy_util.h.  When the connection ends,
 * the client makes another one, and sends again what it has no reply to.
 */
#ifndef NFS_UTIL_H
#define NFS_UTIL_H

#define NFS_PORT	2049		/* past the proxy */
#define NFS_PROXY_PORT	12049

enum nfs_op { NFS_OTHER, NFS_READ, NFS_WRITE, NFS_COMMIT };

/* Exports @dir, which is on a filesystem of its own. */
void nfs_serve(const char *dir);
void nfs_end(void);

/* @version is "3" or "4.2".  @options may be empty. */
void nfs_mount(const char *version, int port, const char *dir, const char *at,
	       const char *options);

/* Operations of @bytes each */
void nfs_hold(enum nfs_op op, unsigned int bytes);
void nfs_hold_nothing(void);

/* The next COMMIT will seem to be that of a server that was restarted. */
void nfs_spoil_commit(void);

/* How many operations were passed on so far */
unsigned int nfs_nr_ops(enum nfs_op op);

#endif
