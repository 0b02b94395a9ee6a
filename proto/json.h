// SPDX-License-Identifier: GPL-3.0-or-later
// Any message of ours as JSON and back, by protobuf-c's descriptors: --json, the definitions in the CIB, files. Field names as in the
// .proto; an enum value is its name without the first word, in lower case with "-" ("STORAGE_DRBD" is "drbd"); all fields are printed, also
// the empty ones; 64-bit numbers are JSON integers. Reading is strict: an unknown field, a wrong type, a number out of range, a NUL or a
// too long string is an error that names the field.
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include "common/error.h"

json_t *proto_to_json(const ProtobufCMessage *message);
char *proto_to_json_text(const ProtobufCMessage *message);	// compact, one line; the caller frees it
// The message is freed with protobuf_c_message_free_unpacked(m, NULL).
ProtobufCMessage *proto_from_json(const ProtobufCMessageDescriptor *type, const json_t *json, struct error *err) MUST_CHECK;
ProtobufCMessage *proto_from_json_text(const ProtobufCMessageDescriptor *type, const char *text, struct error *err) MUST_CHECK;
// A deep copy.
ProtobufCMessage *proto_copy(const ProtobufCMessage *message);

#endif
