// SPDX-License-Identifier: GPL-3.0-or-later
// Splits what QEMU sends into lines and says what each line is. Nothing of QEMU's is believed before its type was looked at. Pure.
#include "hypervisor/qmp-parse.h"
#include <stdlib.h>
#include <string.h>

void qmp_lines_done(struct qmp_lines *lines)
{
	free(lines->buffer);
	memset(lines, 0, sizeof(*lines));
}

int qmp_lines_feed(struct qmp_lines *lines, const char *bytes, size_t count, struct error *err)
{
	if (lines->taken) {
		memmove(lines->buffer, lines->buffer + lines->taken, lines->used - lines->taken);
		lines->used -= lines->taken;
		lines->taken = 0;
	}
	size_t wanted = lines->used + count;
	if (wanted > lines->size) {
		size_t size = lines->size ? lines->size : 4096;
		while (size < wanted)
			size *= 2;
		char *buffer = realloc(lines->buffer, size);
		if (!buffer)
			return error_set(err, ERROR_FAILED, "no memory for what QEMU says");
		lines->buffer = buffer;
		lines->size = size;
	}
	if (count)
		memcpy(lines->buffer + lines->used, bytes, count);
	lines->used = wanted;
	// Only the unfinished line counts: whole ones are taken out before more is fed.
	const char *last = lines->used ? memrchr(lines->buffer, '\n', lines->used) : NULL;
	size_t rest = last ? lines->used - (size_t)(last + 1 - lines->buffer) : lines->used;
	if (rest > QMP_LINE_LIMIT)
		return error_set(
			err, ERROR_PROTOCOL, "QEMU sent a line of more than %u bytes", QMP_LINE_LIMIT);
	return 0;
}

int qmp_lines_next(struct qmp_lines *lines, const char **line, size_t *length)
{
	char *start = lines->buffer + lines->taken;
	char *end = lines->used > lines->taken ? memchr(start, '\n', lines->used - lines->taken) : NULL;
	if (!end)
		return 0;
	*line = start;
	*length = (size_t)(end - start);
	if (*length && start[*length - 1] == '\r')
		(*length)--;
	lines->taken = (size_t)(end + 1 - lines->buffer);
	return 1;
}

static int parse_greeting(json_t *greeting, struct qmp_message *message, struct error *err)
{
	int major, minor, micro;
	if (json_unpack(greeting, "{s:{s:{s:i s:i s:i}}}", "version", "qemu", "major", &major, "minor",
		    &minor, "micro", &micro))
		return error_set(err, ERROR_PROTOCOL, "QEMU's greeting has no version");
	snprintf(message->version, sizeof(message->version), "%d.%d.%d", major, minor, micro);
	json_t *offered, *list = json_object_get(greeting, "capabilities");
	size_t index;
	json_array_foreach (list, index, offered)
		if (json_is_string(offered) && !strcmp(json_string_value(offered), "oob"))
			message->reads_ahead = true;
	message->kind = QMP_GREETING;
	return 0;
}

static int parse_event(json_t *json, struct qmp_message *message, struct error *err)
{
	json_int_t seconds = 0, microseconds = 0;
	message->text = json_string_value(json_object_get(json, "event"));
	message->value = json_object_get(json, "data");
	if (!message->text || (message->value && !json_is_object(message->value)))
		return error_set(err, ERROR_PROTOCOL, "QEMU sent a malformed event");
	if (!json_unpack(
		    json, "{s:{s:I s:I}}", "timestamp", "seconds", &seconds, "microseconds", &microseconds))
		message->seconds = (double)seconds + (double)microseconds / 1e6;
	message->kind = QMP_EVENT;
	return 0;
}

static int classify(json_t *json, struct qmp_message *message, struct error *err)
{
	json_t *id = json_object_get(json, "id");
	if (id && (!json_is_integer(id) || json_integer_value(id) <= 0))
		return error_set(err, ERROR_PROTOCOL, "QEMU sent a reply with an id that we never sent");
	message->id = id ? (uint64_t)json_integer_value(id) : 0;
	json_t *greeting = json_object_get(json, "QMP");
	if (greeting)
		return parse_greeting(greeting, message, err);
	if (json_object_get(json, "event"))
		return parse_event(json, message, err);
	message->value = json_object_get(json, "return");
	if (message->value) {
		message->kind = QMP_RETURN;
		return 0;
	}
	message->text = json_string_value(json_object_get(json_object_get(json, "error"), "desc"));
	if (!message->text)
		return error_set(
			err, ERROR_PROTOCOL, "QEMU sent an object that is no greeting, reply or event");
	message->kind = QMP_ERROR;
	return 0;
}

int qmp_message_parse(const char *line, size_t length, struct qmp_message *message, struct error *err)
{
	json_error_t why;
	memset(message, 0, sizeof(*message));
	message->json = json_loadb(line, length, 0, &why);
	if (!message->json || !json_is_object(message->json)) {
		qmp_message_done(message);
		return error_set(err, ERROR_PROTOCOL, "QEMU sent what is no JSON object");
	}
	if (classify(message->json, message, err)) {
		qmp_message_done(message);
		return -1;
	}
	return 0;
}

void qmp_message_done(struct qmp_message *message)
{
	json_decref(message->json);
	memset(message, 0, sizeof(*message));
}
