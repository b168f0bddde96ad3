// SPDX-License-Identifier: GPL-2.0
/* See p9_util.h. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "iov_iter_util.h"
#include "p9_util.h"

/* The same directory by another server, which does not wait for the first one */
#define CONTROL		"/tmp/p9ctl"

#define OPTIONS		"trans=virtio,version=9p2000.L,msize=131072,"
#define PATIENCE	6000		/* ticks of 10 ms */

static unsigned int nr_held, nr_released;

static bool exists(const char *name, unsigned int nr)
{
	char path[64];

	snprintf(path, sizeof(path), CONTROL "/%s.%u", name, nr);
	return !access(path, F_OK);
}

static void wait_for(const char *name, unsigned int nr)
{
	unsigned int ticks = 0;

	while (!exists(name, nr)) {
		must(ticks++ < PATIENCE);
		usleep(10000);
	}
}

static void make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	must(fd >= 0);
	close(fd);
}

void p9_mount(const char *options)
{
	char data[256];

	mkdir(CONTROL, 0700);
	mkdir(P9_DIR, 0700);
	must(!mount("p9ctl", CONTROL, "9p", 0, OPTIONS "cache=none"));
	snprintf(data, sizeof(data), OPTIONS "%s", options);
	must(!mount("p9", P9_DIR, "9p", 0, data));
	/* QEMU counts on from the test before. */
	while (exists("held", nr_held))
		nr_held++;
	nr_released = nr_held;
}

void p9_umount(void)
{
	must(!umount(P9_DIR));
	must(!umount(CONTROL));
}

void p9_hold(bool on)
{
	if (on)
		make(CONTROL "/hold");
	else
		must(!unlink(CONTROL "/hold"));
}

void p9_wait_held(void)
{
	wait_for("held", nr_held++);
}

void p9_release(void)
{
	char path[64];

	snprintf(path, sizeof(path), CONTROL "/release.%u", nr_released);
	make(path);
	wait_for("done", nr_released++);
}
