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

static json_t *encode_rams(const struct save_header *header)
{
	json_t *rams = json_array();
	for (size_t i = 0; i < header->ram_count; i++)
		json_array_append_new(rams,
			json_pack("{s:s s:I}", "id", header->rams[i].id, "bytes",
				(json_int_t)header->rams[i].bytes));
	return rams;
}

int save_header_encode(const struct save_header *header, uint8_t bytes[SAVE_HEADER_BYTES], struct error *err)
{
	char index_sum[17];
	snprintf(index_sum, sizeof(index_sum), "%016" PRIx64, header->index_sum);
	json_t *json = json_pack("{s:s s:s s:s s:s s:I s:I s:I s:b s:o s:I s:I s:s s:s}", "vm", header->vm,
		"uuid", header->uuid, "qemu", header->qemu, "machine", header->machine, "ram_kib",
		(json_int_t)header->ram_kib, "cpus", (json_int_t)header->cpus, "generation",
		(json_int_t)header->generation, "paused", header->paused, "rams", encode_rams(header),
		"index_at", (json_int_t)header->index_at, "index_bytes", (json_int_t)header->index_bytes,
		"index_sum", index_sum, "time", header->time);
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

static int decode_rams(json_t *rams, struct save_header *header)
{
	size_t i;
	json_t *ram;
	if (!json_is_array(rams) || json_array_size(rams) > SAVE_RAMS_MAX)
		return -1;
	json_array_foreach (rams, i, ram) {
		if (copy_text(ram, "id", header->rams[i].id, sizeof(header->rams[i].id)) ||
			copy_number(ram, "bytes", &header->rams[i].bytes) || !header->rams[i].bytes ||
			header->rams[i].bytes % 4096)
			return -1;
	}
	header->ram_count = json_array_size(rams);
	return 0;
}

static int decode_index(json_t *json, struct save_header *header)
{
	char sum_text[17];
	int end = 0;
	if (copy_text(json, "index_sum", sum_text, sizeof(sum_text)) || strlen(sum_text) != 16 ||
		strspn(sum_text, "0123456789abcdef") != 16 ||
		sscanf(sum_text, "%" SCNx64 "%n", &header->index_sum, &end) != 1 || end != 16)
		return -1;
	return copy_number(json, "index_at", &header->index_at) ||
		copy_number(json, "index_bytes", &header->index_bytes) ||
		header->index_at % SAVE_HEADER_BYTES || header->index_at < SAVE_HEADER_BYTES ||
		header->index_bytes % SAVE_HEADER_BYTES || header->index_at > INT64_MAX / 2 ||
		header->index_bytes > INT64_MAX / 2;
}

static int decode_json(json_t *json, struct save_header *header)
{
	json_t *paused = json_object_get(json, "paused");
	header->paused = json_is_true(paused);
	return copy_text(json, "vm", header->vm, sizeof(header->vm)) ||
		copy_text(json, "uuid", header->uuid, sizeof(header->uuid)) ||
		copy_text(json, "qemu", header->qemu, sizeof(header->qemu)) ||
		copy_text(json, "machine", header->machine, sizeof(header->machine)) ||
		copy_text(json, "time", header->time, sizeof(header->time)) ||
		copy_number(json, "ram_kib", &header->ram_kib) || copy_number(json, "cpus", &header->cpus) ||
		copy_number(json, "generation", &header->generation) || !json_is_boolean(paused) ||
		decode_rams(json_object_get(json, "rams"), header) || decode_index(json, header);
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
	if (file_bytes != header->index_at + header->index_bytes)
		return error_set(err, ERROR_UNSAFE, "it has %" PRIu64 " bytes, and should have %" PRIu64,
			file_bytes, header->index_at + header->index_bytes);
	return 0;
}
