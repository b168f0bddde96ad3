/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two network namespaces with a veth between them: zc0 with 10.8.0.1 in the
 * first, zc1 with 10.8.0.2 in the second one.  What is held by a thread that
 * has entered a namespace, or by a socket in it, keeps the namespace.
 */
#ifndef NET_UTIL_H
#define NET_UTIL_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY	60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY	0x4000000
#endif

#define ADDR0	"10.8.0.1"
#define ADDR1	"10.8.0.2"

void net_enter(int ns);
/* Leaves the caller in ns[0]. */
void net_make_link(int ns[2]);
/* The kernel cuts the segments of TCP and UDP before zc0's driver gets them. */
void net_cut_segments(bool on);
struct sockaddr_in net_address(const char *addr, int port);

/*
 * A pool of hugetlb pages, and how many of them are not lent: what is lent may
 * be referenced by the kernel.  To be started before there are namespaces.
 */
void hugetlb_start(void);
void hugetlb_end(void);
long hugetlb_free(void);

/* What to send from: HUGE bytes at a multiple of HUGE */
#define HUGE	(2UL << 20)

enum memory { SMALL_PAGES, HUGE_PAGE, HUGETLB, NR_MEMORIES };

extern const char *const memory_name[NR_MEMORIES];

char *map_memory(enum memory memory);

/* TLS 1.2 in @direction, TLS_TX or TLS_RX; both ends have the same key. */
void net_start_tls(int fd, int direction);

/* Receives a stream of @len bytes: what is wrong if it is not pattern @seed. */
const char *net_receive(int fd, size_t len, unsigned int seed, off_t pos);

int bpf(int cmd, union bpf_attr *attr);
int bpf_load(int type, int attach_type, const struct bpf_insn *insns,
	     unsigned int nr);

#endif
