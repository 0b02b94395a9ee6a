// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU guest agent protocol, as much of it as a heartbeat needs: guest-sync-delimited. Its answer follows a byte 0xFF, which no JSON has, so that
// the rest of an older answer cannot be taken for it. Pure; a line longer than an answer can be is thrown away as it comes.
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

bool agent_line_feed(struct agent_line *line, const char *bytes, size_t count, int64_t id)
{
	bool found = false;
	for (size_t i = 0; i < count; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if (byte == DELIMITER) {
			line->used = 0;
			line->skipping = false;
		} else if (byte == '\n') {
			found |= !line->skipping && is_answer(line->bytes, line->used, id);
			line->used = 0;
			line->skipping = false;
		} else if (line->used == sizeof(line->bytes)) {
			line->skipping = true;
		} else if (!line->skipping) {
			line->bytes[line->used++] = (char)byte;
		}
	}
	return found;
}
