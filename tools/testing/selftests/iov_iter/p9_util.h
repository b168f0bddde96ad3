/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A directory of QEMU's, by 9p over virtio.  Its server can be told to hold back
 * what it has been asked to read from P9_HELD: p9_wait_held() returns when it
 * has one more such request, and the memory to read to; p9_release() lets the
 * oldest one that is held finish, and returns when the data is there.
 *
 * For what QEMU needs for that see scripts/vm.sh of the project.
 */
#ifndef P9_UTIL_H
#define P9_UTIL_H

#include <stdbool.h>

#define P9_DIR		"/tmp/p9"
#define P9_HELD		P9_DIR "/held"

/* @options are those of the mount, such as "cache=none". */
void p9_mount(const char *options);
void p9_umount(void);

void p9_hold(bool on);
void p9_wait_held(void);
void p9_release(void);

#endif
