// SPDX-License-Identifier: GPL-3.0-or-later
// A blank image is: header, refcount table, one refcount block, L1 table; a cluster each, the L1 table as many as it needs. Numbers are
// big-endian. See docs/interop/qcow2.txt of QEMU.
#include "common/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define CLUSTER_BITS 16
#define CLUSTER_BITS_LEAST 9
#define CLUSTER_BITS_MOST 21
#define HEADER_BYTES 104
#define VERSION 3
#define REFCOUNT_ORDER 4			     // 16 bits each
#define L1_ENTRY_BYTES (QCOW2_CLUSTER_BYTES / 8 * QCOW2_CLUSTER_BYTES) // what one of its entries is for
#define FEATURES_OK ((uint64_t)(1u << 0 | 1u << 3 | 1u << 4))	     // not closed cleanly, compression, sub-clusters
#define FEATURE_CORRUPT ((uint64_t)1 << 1)
#define FEATURE_DATA_FILE ((uint64_t)1 << 2)

static const uint8_t magic[4] = { 'Q', 'F', 'I', 0xfb };

uint64_t qcow2_volume_bytes(uint64_t disk_bytes)
{
	uint64_t bytes = disk_bytes + disk_bytes / 2 + disk_bytes / 128 + 2 * MIB;

	return (bytes + MIB - 1) / MIB * MIB;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

int qcow2_blank(uint64_t disk_bytes, uint8_t **bytes, size_t *count, struct error *err)
{
	uint64_t entries = (disk_bytes + L1_ENTRY_BYTES - 1) / L1_ENTRY_BYTES;
	uint64_t l1_clusters = (entries * 8 + QCOW2_CLUSTER_BYTES - 1) / QCOW2_CLUSTER_BYTES;
	uint64_t clusters = 3 + l1_clusters;
	uint8_t *image = calloc(clusters, QCOW2_CLUSTER_BYTES);

	if (!image)
		return error_set_errno(err, ENOMEM, "a blank disk");
	memcpy(image, magic, sizeof(magic));
	put32(image + 4, VERSION);
	put32(image + 20, CLUSTER_BITS);
	put64(image + 24, disk_bytes);
	put32(image + 36, (uint32_t)entries);
	put64(image + 40, 3 * QCOW2_CLUSTER_BYTES); // L1 table
	put64(image + 48, QCOW2_CLUSTER_BYTES);	    // refcount table
	put32(image + 56, 1);			    // of one cluster
	put32(image + 96, REFCOUNT_ORDER);
	put32(image + 100, HEADER_BYTES);
	put64(image + QCOW2_CLUSTER_BYTES, 2 * QCOW2_CLUSTER_BYTES);
	for (uint64_t i = 0; i < clusters; i++)
		image[2 * QCOW2_CLUSTER_BYTES + 2 * i + 1] = 1;
	*bytes = image;
	*count = clusters * QCOW2_CLUSTER_BYTES;
	return 0;
}

int qcow2_check(const uint8_t *bytes, size_t count, uint64_t *disk_bytes, struct error *err)
{
	if (count < HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)))
		return error_set(err, ERROR_UNSAFE, "it does not begin with the header of a qcow2 image");
	uint32_t version = get32(bytes + 4), cluster_bits = get32(bytes + 20);
	uint64_t features = get64(bytes + 72);
	if (version != VERSION)
		return error_set(err, ERROR_UNSAFE,
			"it is a qcow2 image of version %" PRIu32 ", not %d: convert it", version, VERSION);
	if (get64(bytes + 8) || get32(bytes + 16))
		return error_set(err, ERROR_UNSAFE,
			"its qcow2 header names a backing file, which is never followed: rebase it");
	if (get32(bytes + 32))
		return error_set(err, ERROR_UNSAFE, "it is an encrypted qcow2 image");
	if (features & FEATURE_DATA_FILE)
		return error_set(err, ERROR_UNSAFE, "its qcow2 header names a data file");
	if (features & FEATURE_CORRUPT)
		return error_set(err, ERROR_UNSAFE,
			"its qcow2 header is marked damaged: look at it with 'qemu-img check'");
	if (features & ~FEATURES_OK)
		return error_set(err, ERROR_UNSAFE,
			"its qcow2 header has features that are not known (%" PRIx64 ")", features);
	if (cluster_bits < CLUSTER_BITS_LEAST || cluster_bits > CLUSTER_BITS_MOST)
		return error_set(err, ERROR_UNSAFE, "its qcow2 header is damaged");
	*disk_bytes = get64(bytes + 24);
	return 0;
}
