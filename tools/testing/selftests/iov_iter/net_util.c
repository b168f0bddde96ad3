// SPDX-License-Identifier: GPL-2.0
/* See net_util.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "iov_iter_util.h"
#include "net_util.h"

#ifndef SOL_TLS
#define SOL_TLS		282
#endif
#ifndef TCP_ULP
#define TCP_ULP		31
#endif

void net_enter(int ns)
{
	must(!setns(ns, CLONE_NEWNET));
}

static int new_ns(void)
{
	int fd;

	must(!unshare(CLONE_NEWNET));
	run("ip link set lo up");
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

void net_make_link(int ns[2])
{
	ns[1] = new_ns();
	ns[0] = new_ns();
	run("ip link add zc0 type veth peer name zc1 netns /proc/%d/fd/%d",
	    getpid(), ns[1]);
	run("ip addr add " ADDR0 "/24 dev zc0 && ip link set zc0 up");
	net_enter(ns[1]);
	run("ip addr add " ADDR1 "/24 dev zc1 && ip link set zc1 up");
	net_enter(ns[0]);
}

static void set_offload(unsigned int cmd, bool on)
{
	struct ethtool_value value = { .cmd = cmd, .data = on };
	struct ifreq ifr = { .ifr_name = "zc0", .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	must(fd >= 0 && !ioctl(fd, SIOCETHTOOL, &ifr));
	close(fd);
}

void net_cut_segments(bool on)
{
	set_offload(ETHTOOL_STSO, !on);
	set_offload(ETHTOOL_SGSO, !on);
}

struct sockaddr_in net_address(const char *addr, int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = inet_addr(addr),
	};
}

#define HUGEPAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB"

/*
 * What was received by another CPU than it was allocated on is freed when that
 * one receives something the next time, which need not be soon.
 */
static int defer_max;

static void set_defer_max(const char *value)
{
	must(pwrite(defer_max, value, strlen(value), 0) > 0);
}

void hugetlb_start(void)
{
	run("echo 2 > " HUGEPAGES "/nr_hugepages");
	defer_max = open("/proc/sys/net/core/skb_defer_max",
			 O_WRONLY | O_CLOEXEC);
	must(defer_max >= 0);
	set_defer_max("0");
}

void hugetlb_end(void)
{
	set_defer_max("64");
	close(defer_max);
	run("echo 0 > " HUGEPAGES "/nr_hugepages");
}

long hugetlb_free(void)
{
	FILE *f = fopen(HUGEPAGES "/free_hugepages", "r");
	long nr;

	must(f && fscanf(f, "%ld", &nr) == 1);
	fclose(f);
	return nr;
}

const char *const memory_name[NR_MEMORIES] = {
	"pages", "a huge page", "hugetlb"
};

char *map_memory(enum memory memory)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p;

	if (memory == HUGETLB) {
		p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 flags | MAP_HUGETLB, -1, 0);
		must(p != MAP_FAILED);
		return p;
	}
	p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	must(p != MAP_FAILED);
	p = (char *)(((unsigned long)p + HUGE - 1) & ~(HUGE - 1));
	must(!madvise(p, HUGE, memory == HUGE_PAGE ? MADV_HUGEPAGE :
						     MADV_NOHUGEPAGE));
	return p;
}

int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

int bpf_load(int type, int attach_type, const struct bpf_insn *insns,
	     unsigned int nr)
{
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (unsigned long)insns,
		.insn_cnt = nr,
		.license = (unsigned long)"GPL",
		.expected_attach_type = attach_type,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	must(fd >= 0);
	return fd;
}

void net_start_tls(int fd, int direction)
{
	struct tls12_crypto_info_aes_gcm_128 info = {
		.info.version = TLS_1_2_VERSION,
		.info.cipher_type = TLS_CIPHER_AES_GCM_128,
	};

	memset(info.key, 7, sizeof(info.key));
	must(!setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")));
	must(!setsockopt(fd, SOL_TLS, direction, &info, sizeof(info)));
}

const char *net_receive(int fd, size_t len, unsigned int seed, off_t pos)
{
	char *in = alloc_pages(len);
	const char *wrong = NULL;
	size_t done = 0;
	ssize_t ret;

	while (done < len) {
		ret = read(fd, in + done, len - done);
		/* Sockets in a map of BPF say EAGAIN if woken up too often. */
		if (!ret || (ret < 0 && errno != EAGAIN))
			break;
		if (ret > 0)
			done += ret;
	}
	if (done != len)
		wrong = "data is missing";
	else if (pattern_check(in, len, seed, pos) != len)
		wrong = "wrong data";
	munmap(in, len);
	return wrong;
}
