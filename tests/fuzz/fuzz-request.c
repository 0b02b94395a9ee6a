// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a request and as a reply, the bodies of frames: what is understood survives packing, and can be shown as JSON.
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>
#include "common/cleanup.h"
#include "proto/api.pb-c.h"
#include "proto/json.h"

// Fields that we do not know are out: protobuf-c takes in some (number 0) that it would not take again.
static void strip(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		free(message->unknown_fields[i].data);
	free(message->unknown_fields);
	message->unknown_fields = NULL;
	message->n_unknown_fields = 0;
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		uint8_t *base = (uint8_t *)message;
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
			*(uint32_t *)(base + field->quantifier_offset) != field->id)
			continue;
		bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		ProtobufCMessage **inner = repeated ? *(ProtobufCMessage ***)(base + field->offset)
						    : (void *)(base + field->offset);
		size_t count = repeated ? *(size_t *)(base + field->quantifier_offset) : *inner != NULL;
		for (size_t j = 0; j < count; j++)
			strip(inner[j]);
	}
}

static void understand(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t count)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, count, bytes);

	if (!message)
		return;
	strip(message);
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *packed = malloc(size + 1);
	fuzz_assert(protobuf_c_message_pack(message, packed) == size);
	ProtobufCMessage *again = protobuf_c_message_unpack(type, NULL, size, packed);
	fuzz_assert(again);
	cleanup_free char *text = proto_to_json_text(message);
	cleanup_free char *text_again = proto_to_json_text(again);
	fuzz_assert(text && text_again && strcmp(text, text_again) == 0);
	fuzz_assert(!strchr(text, '\n'));
	protobuf_c_message_free_unpacked(again, NULL);
	protobuf_c_message_free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	understand(&holdfast__request__descriptor, bytes, count);
	understand(&holdfast__reply__descriptor, bytes, count);
	return 0;
}
