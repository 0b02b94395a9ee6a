// SPDX-License-Identifier: GPL-3.0-or-later
// JSON to messages, by descriptor, strictly: what is not exactly right is an error that names the field by its path.
// What a missing field means is the message's business: it gets protobuf's default. Knows no message by name.
#include "proto/json.h"

#include <ctype.h>
#include <openssl/evp.h>
#include "common/cleanup.h"
#include "proto/json-internal.h"

// Where we are, as a list on the stack, innermost first: only an error spells it out.
struct place {
	const struct place *outer;
	const char *name; // NULL: an element of the outer place
	size_t index;
	unsigned depth;
};

static void place_print(const struct place *place, char *text, size_t size)
{
	if (!place) {
		text[0] = '\0';
		return;
	}
	place_print(place->outer, text, size);
	size_t used = strlen(text);
	if (place->name)
		snprintf(text + used, size - used, "%s%s", used ? "." : "", place->name);
	else
		snprintf(text + used, size - used, "[%zu]", place->index);
}

// A message is one line, whatever the text calls its fields.
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static int fail(struct error *err, const struct place *place, const char *what)
{
	char path[200];

	place_print(place, path, sizeof(path));
	one_line(path);
	if (!path[0])
		return error_set(err, ERROR_USAGE, "the JSON text %s", what);
	return error_set(err, ERROR_USAGE, "field \"%s\" %s", path, what);
}

static ProtobufCMessage *message_from_json(const ProtobufCMessageDescriptor *type, const json_t *json,
	const struct place *place, struct error *err);

static int read_integer(const json_t *json, json_int_t low, json_int_t high, json_int_t *value,
	const struct place *place, struct error *err)
{
	char what[120];

	if (!json_is_integer(json))
		return fail(err, place, "must be a whole number");
	*value = json_integer_value(json);
	if (*value >= low && *value <= high)
		return 0;
	snprintf(what, sizeof(what),
		"must be from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
		", not %" JSON_INTEGER_FORMAT,
		low, high, *value);
	return fail(err, place, what);
}

static int read_string(const json_t *json, char **text, const struct place *place, struct error *err)
{
	if (!json_is_string(json))
		return fail(err, place, "must be a string");
	size_t length = json_string_length(json);
	if (length > JSON_STRING_LIMIT)
		return fail(err, place, "is a string of more than 64 KiB");
	if (strlen(json_string_value(json)) != length)
		return fail(err, place, "has a NUL character in it");
	*text = strdup(json_string_value(json));
	return *text ? 0 : error_set(err, ERROR_NO_SPACE, "no memory for a string");
}

static int read_bytes(
	const json_t *json, ProtobufCBinaryData *bytes, const struct place *place, struct error *err)
{
	if (!json_is_string(json))
		return fail(err, place, "must be a string of base64");
	const char *text = json_string_value(json);
	size_t length = json_string_length(json);
	if (length > JSON_STRING_LIMIT)
		return fail(err, place, "is a string of more than 64 KiB");
	cleanup_free uint8_t *decoded = malloc(length + 4);
	cleanup_free unsigned char *again = malloc(length + 8);
	if (!decoded || !again)
		return error_set(err, ERROR_NO_SPACE, "no memory for a string");
	int count = length ? EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)length) : 0;
	if (count > 0)
		count -= (text[length - 1] == '=') + (length > 1 && text[length - 2] == '=');
	// OpenSSL's decoder is lax: only what encodes to the same text is right.
	if (count < 0 || (size_t)EVP_EncodeBlock(again, decoded, count) != length ||
		memcmp(again, text, length) != 0)
		return fail(err, place, "must be a string of base64");
	if (count > 0) {
		bytes->len = (size_t)count;
		bytes->data = steal_ptr(decoded);
	}
	return 0;
}

static bool same_word(const char *word, const char *text)
{
	for (; *word && *text; word++, text++)
		if ((*word == '_' ? '-' : tolower((unsigned char)*word)) != *text)
			return false;
	return !*word && !*text;
}

static int read_enum(const json_t *json, const ProtobufCEnumDescriptor *type, int *value,
	const struct place *place, struct error *err)
{
	char what[300] = "must be one of";

	if (json_is_string(json)) {
		for (unsigned i = 0; i < type->n_values; i++) {
			if (same_word(enum_word(type->values[i].name), json_string_value(json)) &&
				strlen(json_string_value(json)) == json_string_length(json)) {
				*value = type->values[i].value;
				return 0;
			}
		}
	}
	for (unsigned i = 0; i < type->n_values; i++) {
		size_t used = strlen(what);
		snprintf(what + used, sizeof(what) - used, "%s \"", i ? "," : "");
		for (const char *c = enum_word(type->values[i].name); *c; c++) {
			used = strlen(what);
			snprintf(what + used, sizeof(what) - used, "%c",
				*c == '_' ? '-' : tolower((unsigned char)*c));
		}
		used = strlen(what);
		snprintf(what + used, sizeof(what) - used, "\"");
	}
	return fail(err, place, what);
}

static int read_number(const ProtobufCFieldDescriptor *field, const json_t *json, void *value,
	const struct place *place, struct error *err)
{
	json_int_t number;

	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		if (read_integer(json, INT32_MIN, INT32_MAX, &number, place, err) < 0)
			return -1;
		*(int32_t *)value = (int32_t)number;
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		if (read_integer(json, 0, UINT32_MAX, &number, place, err) < 0)
			return -1;
		*(uint32_t *)value = (uint32_t)number;
		return 0;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		if (read_integer(json, 0, INT64_MAX, &number, place, err) < 0)
			return -1;
		*(uint64_t *)value = (uint64_t)number;
		return 0;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		if (!json_is_number(json))
			return fail(err, place, "must be a number");
		if (field->type == PROTOBUF_C_TYPE_FLOAT)
			*(float *)value = (float)json_number_value(json);
		else
			*(double *)value = json_number_value(json);
		return 0;
	default:
		if (read_integer(json, INT64_MIN, INT64_MAX, &number, place, err) < 0)
			return -1;
		*(int64_t *)value = number;
		return 0;
	}
}

static int read_value(const ProtobufCFieldDescriptor *field, const json_t *json, void *value,
	const struct place *place, struct error *err)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(json))
			return fail(err, place, "must be true or false");
		*(protobuf_c_boolean *)value = json_is_true(json);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(json, field->descriptor, value, place, err);
	case PROTOBUF_C_TYPE_STRING:
		return read_string(json, value, place, err);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(json, value, place, err);
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)value = message_from_json(field->descriptor, json, place, err);
		return *(ProtobufCMessage **)value ? 0 : -1;
	default:
		return read_number(field, json, value, place, err);
	}
}

// The count grows with each element that is whole, so that a half-read message can be freed.
static int read_array(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const json_t *json,
	const struct place *place, struct error *err)
{
	size_t *count = member_of(message, field->quantifier_offset);
	uint8_t **elements = member_of(message, field->offset);
	size_t step = proto_json_element_bytes(field->type);

	if (!json_is_array(json))
		return fail(err, place, "must be an array");
	if (json_array_size(json) > JSON_ARRAY_LIMIT)
		return fail(err, place, "has too many elements (the limit is 65536)");
	if (json_array_size(json) == 0)
		return 0;
	*elements = calloc(json_array_size(json), step);
	if (!*elements)
		return error_set(err, ERROR_NO_SPACE, "no memory for an array");
	for (size_t i = 0; i < json_array_size(json); i++) {
		struct place element = { .outer = place, .index = i, .depth = place->depth };
		if (read_value(field, json_array_get(json, i), *elements + i * step, &element, err) < 0)
			return -1;
		*count = i + 1;
	}
	return 0;
}

static int read_field(ProtobufCMessage *message, const char *key, const json_t *json,
	const struct place *place, struct error *err)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(message->descriptor, key);

	if (!field)
		return fail(err, place, "is unknown here");
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(message, field, json, place, err);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE && json_is_null(json))
		return 0;
	if (!is_oneof(field))
		return read_value(field, json, member_of(message, field->offset), place, err);
	uint32_t *chosen = member_of(message, field->quantifier_offset);
	if (*chosen)
		return fail(err, place, "contradicts another one: only one of them can be there");
	// Set only after success: until then the value is nothing that could be freed.
	if (read_value(field, json, member_of(message, field->offset), place, err) < 0)
		return -1;
	*chosen = field->id;
	return 0;
}

static ProtobufCMessage *message_from_json(const ProtobufCMessageDescriptor *type, const json_t *json,
	const struct place *place, struct error *err)
{
	unsigned depth = place ? place->depth + 1 : 1;
	const char *key;
	json_t *value;

	if (!json_is_object(json)) {
		fail(err, place, "must be an object");
		return NULL;
	}
	if (depth > JSON_DEPTH_LIMIT) {
		fail(err, place, "is nested too deep");
		return NULL;
	}
	ProtobufCMessage *message = malloc(type->sizeof_message);
	if (!message) {
		error_set(err, ERROR_NO_SPACE, "no memory for a message");
		return NULL;
	}
	protobuf_c_message_init(type, message);
	json_object_foreach ((json_t *)json, key, value) {
		struct place field = { .outer = place, .name = key, .depth = depth };
		if (read_field(message, key, value, &field, err) < 0) {
			protobuf_c_message_free_unpacked(message, NULL);
			return NULL;
		}
	}
	return message;
}

ProtobufCMessage *proto_from_json(
	const ProtobufCMessageDescriptor *type, const json_t *json, struct error *err)
{
	return message_from_json(type, json, NULL, err);
}

ProtobufCMessage *proto_from_json_text(
	const ProtobufCMessageDescriptor *type, const char *text, struct error *err)
{
	json_error_t why;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);

	if (!json) {
		one_line(why.text);
		error_set(err, ERROR_USAGE, "not valid JSON: %s (line %d, column %d)", why.text, why.line,
			why.column);
		return NULL;
	}
	ProtobufCMessage *message = proto_from_json(type, json, err);
	json_decref(json);
	return message;
}
