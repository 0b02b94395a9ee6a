// SPDX-License-Identifier: GPL-3.0-or-later
// Lines and JSON. See the header.
#include "ctl/print.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "proto/json.h"

#define FIELD_WIDTH 14

void print_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) // C1 in UTF-8
			c[0] = c[1] = '?';
	}
}

void print_text(const struct printer *printer, const char *text)
{
	cleanup_free char *copy = strdup(text);

	if (!copy)
		return;
	print_clean(copy);
	fputs(copy, printer->out);
}

static void print_v(const struct printer *printer, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return;
	print_text(printer, text);
	free(text);
	fputc('\n', printer->out);
}

void print_line(const struct printer *printer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_v(printer, format, args);
	va_end(args);
}

void print_field(const struct printer *printer, const char *key, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	if (length > 0) {
		fprintf(printer->out, "  %s:%*s", key,
			(int)(strlen(key) < FIELD_WIDTH ? FIELD_WIDTH - strlen(key) : 1), "");
		print_text(printer, text);
		fputc('\n', printer->out);
	}
	free(text);
}

void print_colour(const struct printer *printer, enum colour colour, const char *text)
{
	static const char *const codes[] = {
		[COLOUR_NONE] = "",
		[COLOUR_GOOD] = "\033[32m",
		[COLOUR_WARN] = "\033[33m",
		[COLOUR_BAD] = "\033[31m",
		[COLOUR_DIM] = "\033[2m",
	};

	if (printer->colour)
		fputs(codes[colour], printer->out);
	print_text(printer, text);
	if (printer->colour && colour != COLOUR_NONE)
		fputs("\033[0m", printer->out);
}

// ---- JSON

static int dump(const struct printer *printer, json_t *json, size_t flags, struct error *err)
{
	if (!json)
		return error_set(err, ERROR_FAILED,
			"the answer cannot be written as JSON: clusterd and holdfast are of different "
			"versions");
	int result = json_dumpf(json, printer->out, flags | JSON_ENCODE_ANY);
	json_decref(json);
	fputc('\n', printer->out);
	return result < 0 ? error_set(err, ERROR_FAILED, "cannot write the JSON document to stdout") : 0;
}

int print_json(const struct printer *printer, const ProtobufCMessage *message, struct error *err)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	json_t *json = proto_to_json(message);

	if (json && type->n_fields == 1 && type->fields[0].label == PROTOBUF_C_LABEL_REPEATED) {
		json_t *list = json_incref(json_object_get(json, type->fields[0].name));
		json_decref(json);
		json = list;
	}
	return dump(printer, json, JSON_INDENT(2), err);
}

int print_json_line(const struct printer *printer, const ProtobufCMessage *message, struct error *err)
{
	return dump(printer, proto_to_json(message), JSON_COMPACT, err);
}

int print_json_name(const struct printer *printer, const char *name, struct error *err)
{
	return dump(printer, json_pack("{s:s}", "name", name), JSON_INDENT(2), err);
}

// ---- pieces

const char *print_enum(char out[PRINT_ENUM_BYTES], const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
	const char *word = found ? strchr(found->name, '_') : NULL;

	snprintf(out, PRINT_ENUM_BYTES, "%s", word ? word + 1 : "unknown");
	for (char *c = out; *c; c++)
		*c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
	return out;
}

char *print_join(char *const *words, size_t count, const char *otherwise)
{
	size_t bytes = strlen(otherwise) + 1, used = 0;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(words[i]) + 1;
	char *text = malloc(bytes);
	if (!text)
		return NULL;
	memcpy(text, count ? "" : otherwise, count ? 1 : strlen(otherwise) + 1);
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? "," : "", words[i]);
	return text;
}
