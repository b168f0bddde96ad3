// SPDX-License-Identifier: GPL-2.0
/*
 * T18: direct reads while the process forks, see fork_util.h, from a FUSE
 * server that takes its time.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"
#include "fuse_util.h"

#define DIR		"/tmp/fuse_fork"

static struct fuse fuse;

static void hold(bool on)
{
	fuse_hold(&fuse, on);
}

static void wait_held(void)
{
	fuse_wait_held(&fuse);
}

static void release(void)
{
	fuse_release(&fuse);
}

static const struct fork_holder holder = {
	.hold = hold, .wait = wait_held, .release = release,
};

int main(void)
{
	/* one on the page, and one while the server is given the request */
	struct fork_path path = {
		.name = "fuse", .holder = &holder, .pins = 2,
	};

	fork_start(1);
	fuse_start(&fuse, DIR, FUSE_BY_COPY);
	path.fd = open(DIR "/file", O_RDWR | O_DIRECT);
	must(path.fd >= 0);
	fork_fill(path.fd);
	fork_test(&path);
	close(path.fd);
	fuse_stop(&fuse);
	fork_finish();
}
