// SPDX-License-Identifier: GPL-3.0-or-later
// The heads of qcow2, VMDK and VHDX images, as far as they can point elsewhere. What is not understood is refused. The heads' layouts are those
// of QEMU's docs/interop/qcow2.txt and of VMware's Virtual Disk Format 1.1; QEMU itself opens nothing else for a VHDX.
#include "hypervisor/image-check.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "common/cleanup.h"

const char *image_format_name(Holdfast__ImageFormat format)
{
	static const char *const names[] = { "raw", "qcow2", "vhdx", "vmdk" };
	return (unsigned)format < sizeof(names) / sizeof(names[0]) ? names[format] : "unknown";
}

struct head {
	const uint8_t *bytes;
	size_t count;
	uint64_t size; // of the whole image
};

// Numbers at a place in the head; 0 past its end, which every check below takes for a refusal or a harmless value.
static uint64_t number(const struct head *head, size_t at, size_t width)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value;
	if (at > head->count || head->count - at < width)
		return 0;
	memcpy(bytes, head->bytes + at, width);
	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static uint64_t big(const struct head *head, size_t at, size_t width)
{
	return be64toh(htole64(number(head, at, width))) >> (64 - 8 * width);
}

static bool starts_with(const struct head *head, const char *magic, size_t length)
{
	return head->count >= length && !memcmp(head->bytes, magic, length);
}

static int not_this_format(const char *format, struct error *err)
{
	return error_set(err, ERROR_USAGE, "it is no %s image: name the format that it has", format);
}

// ---- qcow2

enum {
	QCOW2_BACKING_AT = 8,
	QCOW2_CLUSTER_BITS_AT = 20,
	QCOW2_SIZE_AT = 24,
	QCOW2_CRYPT_AT = 32,
	QCOW2_INCOMPATIBLE_AT = 72,
};
#define QCOW2_CORRUPT (1ull << 1)
#define QCOW2_EXTERNAL_DATA (1ull << 2)
#define QCOW2_KNOWN 0x1full // dirty, corrupt, external data, compression type, extended L2

static int check_qcow2(const struct head *head, struct error *err)
{
	uint64_t version = big(head, 4, 4), cluster_bits = big(head, QCOW2_CLUSTER_BITS_AT, 4);
	if (!starts_with(head, "QFI\xfb", 4) || head->count < 104 || (version != 2 && version != 3) ||
		cluster_bits < 9 || cluster_bits > 21)
		return not_this_format("qcow2", err);
	if (big(head, QCOW2_BACKING_AT, 8))
		return error_set(err, ERROR_UNSAFE,
			"it names a backing file: make it whole first (qemu-img convert), on a machine that "
			"has the other file");
	if (big(head, QCOW2_CRYPT_AT, 4))
		return error_set(err, ERROR_USAGE, "it is encrypted: decrypt it first (qemu-img convert)");
	uint64_t features = version == 3 ? big(head, QCOW2_INCOMPATIBLE_AT, 8) : 0;
	if (features & QCOW2_EXTERNAL_DATA)
		return error_set(err, ERROR_UNSAFE,
			"its data is in another file that it names: make it whole first (qemu-img convert)");
	if (features & QCOW2_CORRUPT)
		return error_set(err, ERROR_USAGE, "it is marked corrupt: repair it first (qemu-img check)");
	if (features & ~QCOW2_KNOWN)
		return error_set(err, ERROR_USAGE, "it has features that are not known here");
	return 0;
}

// ---- VMDK: one file with a sparse extent, whose descriptor is a text inside of it

enum { VMDK_CAPACITY_AT = 12, VMDK_DESCRIPTOR_AT = 28, VMDK_DESCRIPTOR_SIZE_AT = 36 };
#define VMDK_DESCRIPTOR_MOST (20u << 10)

static bool has_text(const uint8_t *text, size_t length, const char *wanted)
{
	size_t count = strlen(wanted);
	for (size_t i = 0; i + count <= length; i++)
		if (!strncasecmp((const char *)text + i, wanted, count))
			return true;
	return false;
}

static int check_vmdk_descriptor(const uint8_t *text, size_t length, struct error *err)
{
	if (!has_text(text, length, "monolithicSparse") && !has_text(text, length, "streamOptimized"))
		return error_set(err, ERROR_UNSAFE,
			"it is not one sparse file but names others: make it whole first (qemu-img convert "
			"-O "
			"vmdk)");
	if (has_text(text, length, "parentFileNameHint"))
		return error_set(
			err, ERROR_UNSAFE, "it names a parent file: make it whole first (qemu-img convert)");
	return 0;
}

static int check_vmdk(const struct head *head, struct error *err)
{
	if (starts_with(head, "# Disk Desc", 11))
		return error_set(err, ERROR_UNSAFE,
			"it is a descriptor that names other files: make one file of them (qemu-img convert "
			"-O "
			"vmdk)");
	if (!starts_with(head, "KDMV", 4) || head->count < 512)
		return not_this_format("vmdk", err);
	uint64_t at = number(head, VMDK_DESCRIPTOR_AT, 8), sectors = number(head, VMDK_DESCRIPTOR_SIZE_AT, 8);
	// Without a capacity of its own QEMU takes the file for a descriptor of others.
	if (!number(head, VMDK_CAPACITY_AT, 8))
		return error_set(err, ERROR_UNSAFE,
			"it has no capacity of its own, so it would be read as a list of other files");
	if (!at || !sectors || at > head->count / 512 || sectors > VMDK_DESCRIPTOR_MOST / 512 ||
		(at + sectors) * 512 > head->count)
		return error_set(err, ERROR_UNSAFE,
			"its descriptor is not where it can be checked: convert it anew (qemu-img convert -O "
			"vmdk)");
	return check_vmdk_descriptor(head->bytes + at * 512, sectors * 512, err);
}

// ---- the rest

static int check_vhdx(const struct head *head, struct error *err)
{
	// QEMU itself refuses one that has a parent; it opens no other file.
	return starts_with(head, "vhdxfile", 8) ? 0 : not_this_format("vhdx", err);
}

int image_check_head(
	const uint8_t *bytes, size_t count, uint64_t size, Holdfast__ImageFormat format, struct error *err)
{
	const struct head head = { bytes, count, size };
	if (!size)
		return error_set(err, ERROR_USAGE, "it is empty");
	switch (format) {
	case HOLDFAST__IMAGE_FORMAT__IMAGE_RAW:
		return 0;
	case HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2:
		return check_qcow2(&head, err);
	case HOLDFAST__IMAGE_FORMAT__IMAGE_VMDK:
		return check_vmdk(&head, err);
	case HOLDFAST__IMAGE_FORMAT__IMAGE_VHDX:
		return check_vhdx(&head, err);
	default:
		return error_set(err, ERROR_USAGE, "its format is not known");
	}
}

int image_check(int fd, Holdfast__ImageFormat format, struct error *err)
{
	cleanup_free uint8_t *head = malloc(IMAGE_HEAD_BYTES);
	size_t count = 0;
	if (!head)
		return error_set_errno(err, ENOMEM, "an image's head");
	while (count < IMAGE_HEAD_BYTES) {
		ssize_t more = pread(fd, head + count, IMAGE_HEAD_BYTES - count, (off_t)count);
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return error_set_errno(err, errno, "its head cannot be read");
		if (more == 0)
			break;
		count += (size_t)more;
	}
	off_t size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return error_set_errno(err, errno, "its size cannot be found");
	return image_check_head(head, count, (uint64_t)size, format, err);
}
