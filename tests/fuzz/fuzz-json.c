// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions and replies as JSON: what is read is written, read and written again as the same text; what is not read says why.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "common/cleanup.h"
#include "proto/api.pb-c.h"
#include "proto/json.h"

static void round_trip(const ProtobufCMessageDescriptor *type, const char *text)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *message = proto_from_json_text(type, text, &err);

	if (!message) {
		fuzz_assert(err.code == ERROR_USAGE && err.message[0] && !strchr(err.message, '\n'));
		return;
	}
	cleanup_free char *written = proto_to_json_text(message);
	fuzz_assert(written && !strchr(written, '\n'));
	ProtobufCMessage *again = proto_from_json_text(type, written, &err);
	fuzz_assert(again);
	cleanup_free char *rewritten = proto_to_json_text(again);
	fuzz_assert(strcmp(written, rewritten) == 0);
	ProtobufCMessage *copy = proto_copy(again);
	fuzz_assert(copy);
	cleanup_free char *copied = proto_to_json_text(copy);
	fuzz_assert(strcmp(written, copied) == 0);
	protobuf_c_message_free_unpacked(copy, NULL);
	protobuf_c_message_free_unpacked(again, NULL);
	protobuf_c_message_free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	cleanup_free char *text = malloc(count + 1);

	if (count > 0)
		memcpy(text, bytes, count);
	text[count] = '\0';
	round_trip(&holdfast__group_spec__descriptor, text);
	round_trip(&holdfast__reply__descriptor, text);
	return 0;
}
