// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU guest agent protocol, as much of it as a heartbeat and the clock need: guest-sync-delimited, whose answer follows a byte 0xFF, which no JSON
// has, so that the rest of an older answer cannot be taken for it; and one answer to one command after that. Pure; a line longer than an answer can
// be is thrown away as it comes.
#include "hypervisor/agent-line.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DELIMITER 0xff

size_t agent_line_question(char *text, size_t size, int64_t id)
{
	int length = snprintf(text, size,
		"%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" PRId64 "}}\n", DELIMITER,
		id);
	return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

static bool is_answer(const char *bytes, size_t count, int64_t id)
{
	json_t *json = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, NULL);
	const json_t *value = json_object_get(json, "return");
	bool found = json_is_integer(value) && json_integer_value(value) == id;
	json_decref(json);
	return found;
}

// Takes bytes up to the end of the next line. True: a whole line is in LINE, of *LENGTH bytes.
static bool take_line(struct agent_line *line, const char **bytes, size_t *count, size_t *length)
{
	while (*count > 0) {
		unsigned char byte = (unsigned char)*(*bytes)++;
		(*count)--;
		bool whole = byte == '\n' && !line->skipping;
		*length = line->used;
		if (byte == DELIMITER || byte == '\n') {
			line->used = 0;
			line->skipping = false;
		} else if (line->used == sizeof(line->bytes)) {
			line->skipping = true;
		} else if (!line->skipping) {
			line->bytes[line->used++] = (char)byte;
		}
		if (whole)
			return true;
	}
	return false;
}

bool agent_line_feed(struct agent_line *line, const char *bytes, size_t count, int64_t id)
{
	bool found = false;
	size_t length;
	while (take_line(line, &bytes, &count, &length))
		found |= is_answer(line->bytes, length, id);
	return found;
}

static enum agent_answer answer_of(const char *bytes, size_t count, char *why, size_t size)
{
	json_t *json = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, NULL);
	const json_t *error = json_object_get(json, "error");
	const char *text = json_string_value(json_object_get(error, "desc"));
	enum agent_answer answer = error	  ? AGENT_REFUSED
		: json_object_get(json, "return") ? AGENT_DONE
						  : AGENT_SILENT;
	snprintf(why, size, "%s", text ? text : "");
	json_decref(json);
	return answer;
}

enum agent_answer agent_line_answer(
	struct agent_line *line, const char *bytes, size_t count, char *why, size_t size)
{
	enum agent_answer answer = AGENT_SILENT;
	size_t length;
	while (answer == AGENT_SILENT && take_line(line, &bytes, &count, &length))
		answer = answer_of(line->bytes, length, why, size);
	return answer;
}

size_t agent_line_set_time(char *text, size_t size, int64_t time_ns)
{
	int length = time_ns
		? snprintf(text, size,
			  "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":%" PRId64 "}}\n", time_ns)
		: snprintf(text, size, "{\"execute\":\"guest-set-time\"}\n");
	return length > 0 && (size_t)length < size ? (size_t)length : 0;
}
