// SPDX-License-Identifier: GPL-2.0
/* See proxy_util.h. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../kselftest.h"
#include "iov_iter_util.h"
#include "proxy_util.h"

#define PATIENCE_MS	60000

#define MAX_HELD	512
#define MAX_LEN		(16 << 20)

static const struct proxy_protocol *protocol;
static int held_fd, release_fd, disconnect_fd, disconnected_fd;
static pid_t proxy;

struct conn {
	int client, server;
	struct proxy_msg held[MAX_HELD];
	unsigned int nr_held;
};

static bool send_all(int sock, const void *buf, size_t len)
{
	return send(sock, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Sends only the first @len bytes of it. */
static bool msg_send_part(int sock, struct proxy_msg *msg, size_t len)
{
	__u32 header = htonl(msg->len | protocol->marker);
	bool sent = send_all(sock, &header, sizeof(header)) &&
		    send_all(sock, msg->data, len);

	free(msg->data);
	return sent;
}

static bool msg_send(int sock, struct proxy_msg *msg)
{
	return msg_send_part(sock, msg, msg->len);
}

static bool msg_receive(int sock, struct proxy_msg *msg)
{
	__u32 header;

	if (recv(sock, &header, sizeof(header), MSG_WAITALL) != sizeof(header))
		return false;
	msg->len = ntohl(header) ^ protocol->marker;
	must(msg->len >= 8 && msg->len <= MAX_LEN);
	msg->data = malloc(msg->len);
	must(msg->data);
	if (recv(sock, msg->data, msg->len, MSG_WAITALL) == (ssize_t)msg->len)
		return true;
	free(msg->data);
	return false;
}

static bool pass_call(struct conn *conn)
{
	struct proxy_msg msg;

	if (!msg_receive(conn->client, &msg))
		return false;
	if (protocol->call)
		protocol->call(&msg);
	return msg_send(conn->server, &msg);
}

static bool pass_reply(struct conn *conn)
{
	struct proxy_msg msg;

	if (!msg_receive(conn->server, &msg))
		return false;
	switch (protocol->reply(&msg)) {
	case PROXY_PASS:
		break;
	case PROXY_HOLD:
		must(conn->nr_held < MAX_HELD);
		conn->held[conn->nr_held++] = msg;
		must(!eventfd_write(held_fd, 1));
		return true;
	case PROXY_CUT:
		msg_send_part(conn->client, &msg, msg.len / 2);
		return false;
	}
	return msg_send(conn->client, &msg);
}

static bool release_oldest(struct conn *conn)
{
	struct proxy_msg msg = conn->held[0];
	eventfd_t one;

	must(!eventfd_read(release_fd, &one));
	memmove(&conn->held[0], &conn->held[1],
		--conn->nr_held * sizeof(conn->held[0]));
	return msg_send(conn->client, &msg);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void conn_open(struct conn *conn, int listener)
{
	struct sockaddr_in addr = loopback(protocol->server_port);

	memset(conn, 0, sizeof(*conn));
	conn->client = accept(listener, NULL, NULL);
	must(conn->client >= 0);
	conn->server = socket(AF_INET, SOCK_STREAM, 0);
	must(conn->server >= 0);
	must(!connect(conn->server, (struct sockaddr *)&addr, sizeof(addr)));
}

static void conn_close(struct conn *conn)
{
	while (conn->nr_held)
		free(conn->held[--conn->nr_held].data);
	close(conn->client);
	close(conn->server);
}

/* Until the connection ends, one way or the other */
static void serve_conn(struct conn *conn)
{
	enum { CLIENT, SERVER, RELEASE, DISCONNECT, NR };
	eventfd_t one;
	bool up = true;

	while (up) {
		struct pollfd fds[NR] = {
			[CLIENT] = { conn->client, POLLIN, 0 },
			[SERVER] = { conn->server, POLLIN, 0 },
			[RELEASE] = { conn->nr_held ? release_fd : -1,
				      POLLIN, 0 },
			[DISCONNECT] = { disconnect_fd, POLLIN, 0 },
		};

		must(poll(fds, NR, -1) > 0);
		if (fds[DISCONNECT].revents) {
			must(!eventfd_read(disconnect_fd, &one));
			conn_close(conn);
			must(!eventfd_write(disconnected_fd, 1));
			return;
		}
		if (fds[CLIENT].revents)
			up = pass_call(conn);
		if (up && fds[SERVER].revents)
			up = pass_reply(conn);
		if (up && fds[RELEASE].revents)
			up = release_oldest(conn);
	}
	conn_close(conn);
}

/* The client has one connection at a time. */
static void run_proxy(int listener)
{
	static struct conn conn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		conn_open(&conn, listener);
		serve_conn(&conn);
	}
}

/* What the test calls */

void *proxy_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	return p;
}

void proxy_start(const struct proxy_protocol *new_protocol)
{
	struct sockaddr_in addr = loopback(new_protocol->proxy_port);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	protocol = new_protocol;
	held_fd = eventfd(0, EFD_SEMAPHORE);
	release_fd = eventfd(0, EFD_SEMAPHORE);
	disconnect_fd = eventfd(0, EFD_SEMAPHORE);
	disconnected_fd = eventfd(0, EFD_SEMAPHORE);
	must(held_fd >= 0 && release_fd >= 0 && disconnect_fd >= 0 &&
	     disconnected_fd >= 0);

	must(listener >= 0);
	must(!setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	must(!bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
	must(!listen(listener, 8));
	proxy = fork();
	must(proxy >= 0);
	if (!proxy)
		run_proxy(listener);
	close(listener);
}

void proxy_end(void)
{
	must(!kill(proxy, SIGKILL));
	must(waitpid(proxy, NULL, 0) == proxy);
}

static void wait_eventfd(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	eventfd_t one;

	must(poll(&pollfd, 1, PATIENCE_MS) == 1);
	must(!eventfd_read(fd, &one));
}

void proxy_wait_held(void)
{
	wait_eventfd(held_fd);
}

void proxy_release(void)
{
	must(!eventfd_write(release_fd, 1));
}

void proxy_disconnect(void)
{
	must(!eventfd_write(disconnect_fd, 1));
	wait_eventfd(disconnected_fd);
}
