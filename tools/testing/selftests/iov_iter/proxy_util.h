/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A proxy on the loopback network between a client in the kernel and its
 * server, for protocols over TCP that send the length of each message before
 * it.  It holds back replies, or loses them.
 */
#ifndef PROXY_UTIL_H
#define PROXY_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* A message as it is on the wire, behind the length */
struct proxy_msg {
	size_t len;
	char *data;
};

enum proxy_verdict {
	PROXY_PASS,
	PROXY_HOLD,
	PROXY_CUT,	/* the connection ends in the middle of it */
};

struct proxy_protocol {
	int server_port, proxy_port;
	__u32 marker;	/* that is set beside the length */
	/* Called in the process of the proxy; @call may be NULL. */
	void (*call)(const struct proxy_msg *msg);
	enum proxy_verdict (*reply)(struct proxy_msg *msg);
};

void proxy_start(const struct proxy_protocol *protocol);
void proxy_end(void);

/* Zeroed memory to talk with these functions, to be had before the start */
void *proxy_shared(size_t size);

void proxy_wait_held(void);	/* until one more is */
void proxy_release(void);	/* the oldest */

/* Ends the connection together with the replies that are held. */
void proxy_disconnect(void);

#endif
