// SPDX-License-Identifier: GPL-3.0-or-later
// Codec and check of a saved state's head. Nothing in a head is believed before its checksum is right. Pure.
#include "hypervisor/save-header.h"
#include <endian.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"

#define JSON_AT 24
#define SUM_AT (SAVE_HEADER_BYTES - SHA256_DIGEST_LENGTH)

static const char magic[16] = "HOLDFAST SAVE\r\n\x1a";

static void sum(const uint8_t *bytes, uint8_t digest[SHA256_DIGEST_LENGTH])
{
	SHA256(bytes, SUM_AT, digest);
}

int save_header_encode(const struct save_header *header, uint8_t bytes[SAVE_HEADER_BYTES], struct error *err)
{
	json_t *json = json_pack("{s:s s:s s:s s:s s:I s:I s:I s:I s:s s:s}", "vm", header->vm, "uuid",
		header->uuid, "qemu", header->qemu, "machine", header->machine, "ram_kib",
		(json_int_t)header->ram_kib, "cpus", (json_int_t)header->cpus, "generation",
		(json_int_t)header->generation, "stream_bytes", (json_int_t)header->stream_bytes,
		"stream_sha256", header->stream_sha256, "time", header->time);
	cleanup_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text || strlen(text) > SUM_AT - JSON_AT)
		return error_set(err, ERROR_FAILED, "the head of a saved state cannot be made");
	memset(bytes, 0, SAVE_HEADER_BYTES);
	memcpy(bytes, magic, sizeof(magic));
	uint32_t version = htole32(SAVE_VERSION), length = htole32((uint32_t)strlen(text));
	memcpy(bytes + 16, &version, 4);
	memcpy(bytes + 20, &length, 4);
	memcpy(bytes + JSON_AT, text, strlen(text));
	sum(bytes, bytes + SUM_AT);
	return 0;
}

static int copy_text(json_t *json, const char *name, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(json, name));
	if (!text || strlen(text) >= size)
		return -1;
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int copy_number(json_t *json, const char *name, uint64_t *to)
{
	json_t *number = json_object_get(json, name);
	if (!json_is_integer(number) || json_integer_value(number) < 0)
		return -1;
	*to = (uint64_t)json_integer_value(number);
	return 0;
}

static int decode_json(json_t *json, struct save_header *header)
{
	return copy_text(json, "vm", header->vm, sizeof(header->vm)) ||
		copy_text(json, "uuid", header->uuid, sizeof(header->uuid)) ||
		copy_text(json, "qemu", header->qemu, sizeof(header->qemu)) ||
		copy_text(json, "machine", header->machine, sizeof(header->machine)) ||
		copy_text(json, "stream_sha256", header->stream_sha256, sizeof(header->stream_sha256)) ||
		copy_text(json, "time", header->time, sizeof(header->time)) ||
		copy_number(json, "ram_kib", &header->ram_kib) || copy_number(json, "cpus", &header->cpus) ||
		copy_number(json, "generation", &header->generation) ||
		copy_number(json, "stream_bytes", &header->stream_bytes);
}

int save_header_decode(const uint8_t bytes[SAVE_HEADER_BYTES], struct save_header *header, struct error *err)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint32_t version, length;
	json_error_t why;
	if (memcmp(bytes, magic, sizeof(magic)))
		return error_set(err, ERROR_FAILED, "it was never finished, or is no saved state");
	sum(bytes, digest);
	memcpy(&version, bytes + 16, 4);
	memcpy(&length, bytes + 20, 4);
	version = le32toh(version);
	length = le32toh(length);
	if (memcmp(digest, bytes + SUM_AT, sizeof(digest)) || length > SUM_AT - JSON_AT)
		return error_set(err, ERROR_FAILED, "its head is damaged");
	if (version != SAVE_VERSION)
		return error_set(err, ERROR_FAILED,
			"it has version %" PRIu32 " of the format; this program knows %d", version,
			SAVE_VERSION);
	json_t *json = json_loadb((const char *)bytes + JSON_AT, length, JSON_REJECT_DUPLICATES, &why);
	memset(header, 0, sizeof(*header));
	int bad = !json || decode_json(json, header);
	json_decref(json);
	return bad ? error_set(err, ERROR_FAILED, "its head is damaged") : 0;
}

int save_header_match(const struct save_header *header, const struct save_header *wanted, uint64_t file_bytes,
	struct error *err)
{
	if (strcmp(header->vm, wanted->vm) || strcmp(header->uuid, wanted->uuid))
		return error_set(err, ERROR_UNSAFE, "it is of VM %s (%s)", header->vm, header->uuid);
	if (header->generation != wanted->generation)
		return error_set(err, ERROR_UNSAFE,
			"it belongs to generation %" PRIu64 " of the disks, which are at %" PRIu64 " now",
			header->generation, wanted->generation);
	if (strcmp(header->machine, wanted->machine))
		return error_set(err, ERROR_UNSAFE, "it is of a machine %s, and the VM is a %s",
			header->machine, wanted->machine);
	if (header->ram_kib != wanted->ram_kib)
		return error_set(err, ERROR_UNSAFE,
			"it has %" PRIu64 " KiB of memory, and the VM has %" PRIu64, header->ram_kib,
			wanted->ram_kib);
	if (header->cpus != wanted->cpus)
		return error_set(err, ERROR_UNSAFE, "it has %" PRIu64 " CPUs, and the VM has %" PRIu64,
			header->cpus, wanted->cpus);
	// No look at the QEMU version: the machine type is versioned, and newer ones read what older ones wrote.
	if (file_bytes != SAVE_HEADER_BYTES + header->stream_bytes)
		return error_set(err, ERROR_UNSAFE, "it has %" PRIu64 " bytes, and should have %" PRIu64,
			file_bytes, SAVE_HEADER_BYTES + header->stream_bytes);
	return 0;
}
