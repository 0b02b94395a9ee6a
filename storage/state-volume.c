// SPDX-License-Identifier: GPL-3.0-or-later
// A mark in the volume's last 4 KiB (of a volume that has grown, where they were) says how far mkfs came, so that a node that died in it does it
// again, and a file system that was made is never made again, whatever state it is in. The volume was zeroed when it was created.
#include "storage/state-volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "storage/internal.h"

#define MARK_BYTES 4096u
#define TAIL_BYTES (64u << 10) // not part of the file system: the mark, and room for more
#define SMALLEST_BYTES (8ull << 20)
#define MARK_MAKING "holdfast state volume: making\n"
#define MARK_MADE "holdfast state volume: made\n"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static int open_device(const char *device, int flags, int *fd, uint64_t *bytes, struct error *err)
{
	cleanup_fd int opened = open(device, flags | O_CLOEXEC);
	struct stat st;

	if (opened < 0 || fstat(opened, &st) < 0)
		return error_set_errno(err, errno, "cannot open %s", device);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, ERROR_UNSAFE,
			"%s is not a block device: DRBD is not up, and somebody wrote a file there", device);
	if (ioctl(opened, BLKGETSIZE64, bytes) < 0)
		return error_set_errno(err, errno, "%s", device);
	if (*bytes < SMALLEST_BYTES)
		return error_set(err, ERROR_NO_SPACE, "%s is too small for a state volume: at least %llu MiB",
			device, SMALLEST_BYTES >> 20);
	*fd = steal_fd(&opened);
	return 0;
}

// ---- the file system on it

#define SUPERBLOCK_AT 1024
#define LEAST_GROWTH_KIB 1024 // less is left over at the end

static uint32_t little(const unsigned char *bytes, size_t at, size_t count)
{
	uint32_t value = 0;

	for (size_t i = count; i-- > 0;)
		value = value << 8 | bytes[at + i];
	return value;
}

// 0: there is no ext4.
static uint64_t file_system_bytes(int fd)
{
	unsigned char super[1024];

	if (pread(fd, super, sizeof(super), SUPERBLOCK_AT) != (ssize_t)sizeof(super) ||
		little(super, 0x38, 2) != 0xef53 || little(super, 0x18, 4) > 6)
		return 0;
	uint64_t blocks = little(super, 0x4, 4) | (uint64_t)little(super, 0x150, 4) << 32;
	return blocks << (10 + little(super, 0x18, 4));
}

// The mark of a volume that ended where it lies: it comes after the file system, and less than two blocks of that and the tail away.
static bool marked_behind(int fd, uint64_t fs_bytes, uint64_t volume_bytes)
{
	char bytes[TAIL_BYTES + 2 * MARK_BYTES];
	size_t count = sizeof(bytes);

	if (!fs_bytes || fs_bytes >= volume_bytes)
		return false;
	if (volume_bytes - fs_bytes < count)
		count = (size_t)(volume_bytes - fs_bytes);
	if (pread(fd, bytes, count, (off_t)fs_bytes) != (ssize_t)count)
		return false;
	for (size_t at = 0; at + sizeof(MARK_MADE) <= count; at += 512)
		if (memcmp(bytes + at, MARK_MADE, sizeof(MARK_MADE)) == 0)
			return true;
	return false;
}

int state_volume_inspect(
	const char *device, enum state_volume_phase *phase, unsigned long long *fs_kib, struct error *err)
{
	cleanup_fd int fd = -1;
	char mark[MARK_BYTES];
	uint64_t bytes;

	if (open_device(device, O_RDONLY, &fd, &bytes, err) < 0)
		return -1;
	if (pread(fd, mark, sizeof(mark), (off_t)(bytes - MARK_BYTES)) != (ssize_t)sizeof(mark))
		return error_set_errno(err, errno ? errno : EIO, "cannot read %s", device);
	*fs_kib = (bytes - TAIL_BYTES) / 1024;
	uint64_t fs_bytes = file_system_bytes(fd);
	if (memcmp(mark, MARK_MADE, sizeof(MARK_MADE)) == 0)
		*phase = fs_bytes && fs_bytes / 1024 + LEAST_GROWTH_KIB < *fs_kib ? STATE_VOLUME_GROWN
										  : STATE_VOLUME_MADE;
	else if (memcmp(mark, MARK_MAKING, sizeof(MARK_MAKING)) == 0)
		*phase = STATE_VOLUME_MAKING;
	else if (marked_behind(fd, fs_bytes, bytes))
		*phase = STATE_VOLUME_GROWN;
	else if (fs_bytes && mark[0] == 0)
		return error_set(err, ERROR_UNSAFE,
			"%s has a file system without the mark of a state volume: it is left alone", device);
	else if (mark[0] == 0 && memcmp(mark, mark + 1, sizeof(mark) - 1) == 0)
		*phase = STATE_VOLUME_BLANK;
	else
		return error_set(err, ERROR_UNSAFE,
			"%s has something else on it than a state volume: it is left alone", device);
	return 0;
}

int state_volume_mark(const char *device, enum state_volume_phase phase, struct error *err)
{
	cleanup_fd int fd = -1;
	char mark[MARK_BYTES] = { 0 };
	uint64_t bytes;

	if (open_device(device, O_RDWR, &fd, &bytes, err) < 0)
		return -1;
	snprintf(mark, sizeof(mark), "%s",
		phase == STATE_VOLUME_MADE	       ? MARK_MADE
			: phase == STATE_VOLUME_MAKING ? MARK_MAKING
						       : "");
	if (pwrite(fd, mark, sizeof(mark), (off_t)(bytes - MARK_BYTES)) != (ssize_t)sizeof(mark) ||
		fsync(fd) < 0)
		return error_set_errno(err, errno ? errno : EIO, "cannot write %s", device);
	return 0;
}

// Whether WHERE is a mount point, from the device numbers of it and its parent.
static bool mounted(const char *where)
{
	char parent[PATH_MAX];
	struct stat here, above;

	if (path_format(parent, sizeof(parent), NULL, "%s/..", where) < 0)
		return false;
	return lstat(where, &here) == 0 && S_ISDIR(here.st_mode) && stat(parent, &above) == 0 &&
		here.st_dev != above.st_dev;
}

int state_volume_mount(const char *device, const char *where, struct error *err)
{
	struct stat st;

	if (mounted(where))
		return 0;
	if (file_make_directory(where, 0700, err) < 0)
		return -1;
	if (lstat(where, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERROR_UNSAFE, "%s is not a plain directory", where);
	if (mount(device, where, "ext4", MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOSYMFOLLOW,
		    "errors=remount-ro") < 0)
		return error_set_errno(
			err, errno, "the state volume %s cannot be mounted on %s", device, where);
	return 0;
}

int state_volume_unmount(const char *where, struct error *err)
{
	if (!mounted(where))
		return 0;
	if (umount2(where, UMOUNT_NOFOLLOW) == 0)
		return 0;
	// A running guest's UEFI variables are open there: the file system goes when their QEMU lets go of them. Whoever else keeps it in use
	// is named when the volume is demoted.
	if (errno == EBUSY && umount2(where, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		return 0;
	return error_set_errno(err, errno, "the state volume on %s cannot be unmounted", where);
}
