/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every mount by SMB has to do right: direct and buffered I/O, of memory
 * and parts of files that begin and end anywhere.
 */
#ifndef SMB_IO_UTIL_H
#define SMB_IO_UTIL_H

#include <sys/types.h>

#define SMB_DIR		"/tmp/smb_dio"		/* the server's */
#define SMB_MNT		"/tmp/smb_dio_mnt"	/* the client's */
#define SMB_FILE_SIZE	(300 * KIB)		/* some requests of 64 KiB */

/* Patterns */
enum { OLD = 1, NEW };

/* To be filled in by the test; the ports may be the same. */
extern struct smb_server {
	const char *address;
	int port, proxy_port;
} smb_server;

/* Mounts the share, with a file of pattern OLD, which is then opened. */
void smb_mount_share(int port, const char *options);
int smb_open_file(int flags);
void smb_umount_share(void);

/* The same with O_DIRECT */
int smb_mount_file(const char *options);
void smb_umount_file(int fd);

/* Tests; the argument is for mount. */
void smb_test_direct(const void *options);
void smb_test_buffered(const void *options);
void smb_test_files(const void *options);

#endif
