// SPDX-License-Identifier: GPL-2.0
/*
 * T18, T77: direct reads while the process forks, see fork_util.h, from a 9p
 * server that is held back.  There is only read(), as AIO and io_uring wait for
 * the answer when they submit the request.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../kselftest.h"
#include "fork_util.h"
#include "p9_util.h"

static const struct fork_holder holder = {
	.hold = p9_hold, .wait = p9_wait_held, .release = p9_release,
};

int main(void)
{
	/* What is shorter than 1 KiB is copied. */
	struct fork_path path = {
		.name = "9p", .holder = &holder, .pins = 1, .len = 1536,
		.sync = true,
	};

	fork_start_sync(1);
	p9_mount("cache=none");
	path.fd = open(P9_HELD, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	must(path.fd >= 0);
	fork_fill(path.fd);
	fork_test(&path);
	close(path.fd);
	p9_umount();
	fork_finish();
}
