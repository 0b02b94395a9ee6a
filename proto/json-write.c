// SPDX-License-Identifier: GPL-3.0-or-later
// Messages to JSON, by descriptor. Always gives valid JSON, whatever is in the message: a string that is not UTF-8 is mended,
// a number that JSON has no word for is null. Knows no message by name.
#include "proto/json.h"

#include <ctype.h>
#include <math.h>
#include <openssl/evp.h>
#include "common/cleanup.h"
#include "proto/json-internal.h"

static json_t *message_to_json(const ProtobufCMessage *message, unsigned depth);

// What is no UTF-8 (a peer's fault: such bytes come only from the wire) becomes "?", byte by byte.
static json_t *string_to_json(const char *text)
{
	if (!text)
		return json_string("");
	json_t *json = json_string(text);
	if (json)
		return json;
	cleanup_free char *mended = strdup(text);
	if (!mended)
		return NULL;
	for (char *c = mended; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(mended);
}

static json_t *bytes_to_json(const ProtobufCBinaryData *bytes)
{
	cleanup_free char *text = malloc(4 * ((bytes->len + 2) / 3) + 1);

	if (!text)
		return NULL;
	text[0] = '\0';
	if (bytes->len)
		EVP_EncodeBlock((unsigned char *)text, bytes->data, (int)bytes->len);
	return json_string(text);
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);

	if (!known)
		return json_integer(value); // of a newer version
	cleanup_free char *word = strdup(enum_word(known->name));
	if (!word)
		return NULL;
	for (char *c = word; *c; c++)
		*c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
	return json_string(word);
}

// Protobuf does not send a zero, so -0 does not survive a wire: the text is the same before and after.
static json_t *double_to_json(double value)
{
	return isfinite(value) ? json_real(value == 0 ? 0 : value) : json_null();
}

// jansson's integers are signed: what is larger (nothing that we count is) stays the largest rather than turn negative.
static json_t *uint64_to_json(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *field, const void *value, unsigned depth)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)value);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_integer(*(const int64_t *)value);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)value);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return uint64_to_json(*(const uint64_t *)value);
	case PROTOBUF_C_TYPE_FLOAT:
		return double_to_json((double)*(const float *)value);
	case PROTOBUF_C_TYPE_DOUBLE:
		return double_to_json(*(const double *)value);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)value);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_to_json(field->descriptor, *(const int *)value);
	case PROTOBUF_C_TYPE_STRING:
		return string_to_json(*(char *const *)value);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_to_json(value);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_to_json(*(ProtobufCMessage *const *)value, depth + 1);
	}
	return NULL;
}

size_t proto_json_element_bytes(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

static json_t *array_to_json(
	const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, unsigned depth)
{
	size_t count = *(size_t *)member_of(message, field->quantifier_offset);
	const uint8_t *elements = *(uint8_t **)member_of(message, field->offset);
	size_t step = proto_json_element_bytes(field->type);
	json_t *array = json_array();

	for (size_t i = 0; array && i < count; i++) {
		if (json_array_append_new(array, value_to_json(field, elements + i * step, depth)) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return !is_oneof(field) || *(uint32_t *)member_of(message, field->quantifier_offset) == field->id;
}

static json_t *message_to_json(const ProtobufCMessage *message, unsigned depth)
{
	if (!message)
		return json_null();
	if (depth > JSON_DEPTH_LIMIT)
		return NULL;
	json_t *object = json_object();
	for (unsigned i = 0; object && i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		if (!is_set(message, field))
			continue;
		json_t *value = field->label == PROTOBUF_C_LABEL_REPEATED
			? array_to_json(message, field, depth)
			: value_to_json(field, member_of(message, field->offset), depth);
		if (json_object_set_new(object, field->name, value) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

json_t *proto_to_json(const ProtobufCMessage *message)
{
	return message_to_json(message, 1);
}

char *proto_to_json_text(const ProtobufCMessage *message)
{
	json_t *json = proto_to_json(message);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text;
}

ProtobufCMessage *proto_copy(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *packed = malloc(size + 1);

	if (!packed)
		return NULL;
	protobuf_c_message_pack(message, packed);
	return protobuf_c_message_unpack(message->descriptor, NULL, size, packed);
}
