// SPDX-License-Identifier: GPL-3.0-or-later
// Whether all data that an image's tables point to is there. QEMU reads zeros behind the end of a file, so that a truncated image would be copied
// without a word. Tables are read one at a time; a loop or an overlap of them does no harm to who only reads.
#include "hypervisor/image-check.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/cleanup.h"

#define TABLE_MOST_BYTES (64u << 20)
#define QCOW2_OFFSET 0x00fffffffffffe00ull
#define QCOW2_COMPRESSED (1ull << 62)

static int truncated(uint64_t size, struct error *err)
{
	return error_set(
		err, ERROR_USAGE, "it is truncated: its data goes on behind its end at byte %" PRIu64, size);
}

static int read_at(int fd, void *bytes, size_t count, uint64_t at, uint64_t size, struct error *err)
{
	size_t done = 0;
	if (at > size || size - at < count)
		return truncated(size, err);
	while (done < count) {
		ssize_t more = pread(fd, (uint8_t *)bytes + done, count - done, (off_t)(at + done));
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return error_set_errno(err, errno, "it cannot be read");
		if (more == 0)
			return truncated(size, err);
		done += (size_t)more;
	}
	return 0;
}

// ---- qcow2: a table of tables of clusters

struct qcow2 {
	int fd;
	uint64_t size;
	unsigned cluster_bits;
	uint64_t cluster;
	size_t entry_words; // of an L2 entry: with subclusters it has a bitmap
	uint64_t *l2;
};

// The last cluster of a file may be short: QEMU ends the file where the data ends.
static int check_cluster(const struct qcow2 *image, uint64_t entry, struct error *err)
{
	uint64_t at, count;
	if (entry & QCOW2_COMPRESSED) {
		unsigned shift = 62 - (image->cluster_bits - 8);
		at = entry & ((1ull << shift) - 1);
		count = 1; // its length is rounded up to sectors, which may reach behind the end
	} else {
		at = entry & QCOW2_OFFSET;
		count = at ? 1 : 0;
	}
	if (count && at >= image->size)
		return truncated(image->size, err);
	return 0;
}

static int check_l2(const struct qcow2 *image, uint64_t at, struct error *err)
{
	if (read_at(image->fd, image->l2, image->cluster, at, image->size, err))
		return -1;
	for (size_t i = 0; i < image->cluster / 8; i += image->entry_words)
		if (check_cluster(image, be64toh(image->l2[i]), err))
			return -1;
	return 0;
}

static int whole_qcow2(int fd, uint64_t size, struct error *err)
{
	uint32_t words[26];
	if (read_at(fd, words, sizeof(words), 0, size, err))
		return -1;
	struct qcow2 image = { .fd = fd, .size = size, .cluster_bits = be32toh(words[5]), .entry_words = 1 };
	uint64_t l1_count = be32toh(words[9]),
		 l1_at = (uint64_t)be32toh(words[10]) << 32 | be32toh(words[11]);
	bool subclusters = be32toh(words[1]) >= 3 && be32toh(words[19]) & 16;
	image.entry_words += subclusters;
	image.cluster = 1ull << image.cluster_bits;
	if (l1_count * 8 > TABLE_MOST_BYTES)
		return error_set(err, ERROR_USAGE, "its table is too large");
	cleanup_free uint64_t *l1 = malloc(l1_count * 8 + 8), *l2 = malloc(image.cluster);
	if (!l1 || !l2)
		return error_set_errno(err, ENOMEM, "an image's tables");
	image.l2 = l2;
	if (read_at(fd, l1, l1_count * 8, l1_at, size, err))
		return -1;
	for (uint64_t i = 0; i < l1_count; i++)
		if ((be64toh(l1[i]) & QCOW2_OFFSET) && check_l2(&image, be64toh(l1[i]) & QCOW2_OFFSET, err))
			return -1;
	return 0;
}

// ---- VMDK: a directory of tables of grains, in sectors

static uint64_t le64_at(const uint8_t *bytes, size_t at)
{
	uint64_t value = 0;
	for (size_t i = 8; i > 0; i--)
		value = value << 8 | bytes[at + i - 1];
	return value;
}

struct vmdk {
	int fd;
	uint64_t size;
	uint64_t grain; // in sectors
	bool compressed; // each grain with a head of its own: its place in the disk, and its length
	uint32_t *entries;
	size_t count; // of entries in a table
};

static int check_grain(const struct vmdk *image, uint64_t sector, struct error *err)
{
	uint8_t head[16] = { 0 };
	uint64_t bytes = image->grain * 512;
	if (image->compressed) {
		if (read_at(image->fd, head, 12, sector * 512, image->size, err))
			return -1;
		bytes = 12 + (le64_at(head, 8) & UINT32_MAX);
	}
	return sector * 512 + bytes > image->size ? truncated(image->size, err) : 0;
}

static int check_grain_table(const struct vmdk *image, uint64_t at, struct error *err)
{
	if (read_at(image->fd, image->entries, image->count * 4, at, image->size, err))
		return -1;
	for (size_t i = 0; i < image->count; i++) {
		uint32_t sector = le32toh(image->entries[i]); // 1: zeros without data
		if (sector > 1 && check_grain(image, sector, err))
			return -1;
	}
	return 0;
}

static int whole_vmdk(int fd, uint64_t size, struct error *err)
{
	uint8_t head[512];
	if (read_at(fd, head, sizeof(head), 0, size, err))
		return -1;
	// A stream's directory is at its end, told by a second head there.
	if (le64_at(head, 56) == UINT64_MAX &&
		(size < 2048 || read_at(fd, head, sizeof(head), size - 1024, size, err)))
		return truncated(size, err);
	struct vmdk image = { .fd = fd,
		.size = size,
		.grain = le64_at(head, 20),
		.compressed = head[10] & 1,
		.count = le64_at(head, 44) & UINT32_MAX };
	uint64_t capacity = le64_at(head, 12), directory = le64_at(head, 56);
	uint64_t covered = image.grain <= 1 << 16 && image.count <= 1 << 16 ? image.grain * image.count : 0;
	if (!covered || capacity / covered > TABLE_MOST_BYTES / 4)
		return error_set(err, ERROR_USAGE, "its tables make no sense: it is truncated or damaged");
	size_t tables = (size_t)((capacity + covered - 1) / covered);
	cleanup_free uint32_t *places = malloc(tables * 4 + 4), *entries = malloc(image.count * 4);
	if (!places || !entries)
		return error_set_errno(err, ENOMEM, "an image's tables");
	image.entries = entries;
	if (directory > size / 512)
		return truncated(size, err);
	if (read_at(fd, places, tables * 4, directory * 512, size, err))
		return -1;
	for (size_t i = 0; i < tables; i++)
		if (places[i] && check_grain_table(&image, (uint64_t)le32toh(places[i]) * 512, err))
			return -1;
	return 0;
}

int image_check_whole(int fd, Holdfast__ImageFormat format, struct error *err)
{
	off_t size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return error_set_errno(err, errno, "its size cannot be found");
	switch (format) {
	case HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2:
		return whole_qcow2(fd, (uint64_t)size, err);
	case HOLDFAST__IMAGE_FORMAT__IMAGE_VMDK:
		return whole_vmdk(fd, (uint64_t)size, err);
	default:
		return 0; // of a VHDX QEMU checks it when it is opened; raw data ends where it ends
	}
}
