// SPDX-License-Identifier: GPL-3.0-or-later
// What the two directions of proto/json share: limits, and where a field lies in a message of protobuf-c.
#ifndef PROTO_JSON_INTERNAL_H
#define PROTO_JSON_INTERNAL_H

#include <stdbool.h>
#include <string.h>
#include <protobuf-c/protobuf-c.h>

#define JSON_DEPTH_LIMIT 16		// our deepest message has 5 levels
#define JSON_STRING_LIMIT 65536		// bytes
#define JSON_ARRAY_LIMIT 65536		// elements

static inline void *member_of(const ProtobufCMessage *message, unsigned offset)
{
	return (uint8_t *)message + offset;
}

static inline bool is_oneof(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

// The part of an enum value's name that JSON uses: STORAGE_DRBD has "DRBD".
static inline const char *enum_word(const char *name)
{
	const char *underscore = strchr(name, '_');

	return underscore ? underscore + 1 : name;
}

// The size of one value of the type, in a message and in the array of a repeated field.
size_t proto_json_element_bytes(ProtobufCType type);

#endif
