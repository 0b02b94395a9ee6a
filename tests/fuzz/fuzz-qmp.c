// SPDX-License-Identifier: GPL-3.0-or-later
// What a hostile QEMU may send: any bytes, cut in any pieces, end in messages whose parts have the types they should, or in an error.
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include "hypervisor/qmp-parse.h"

static void check(const char *line, size_t length)
{
	struct qmp_message message;
	struct error err = ERROR_INIT;
	if (qmp_message_parse(line, length, &message, &err)) {
		fuzz_assert(err.code == ERROR_PROTOCOL);
		fuzz_assert(message.json == NULL);
		return;
	}
	fuzz_assert(json_is_object(message.json));
	if (message.kind == QMP_EVENT)
		fuzz_assert(message.text && (!message.value || json_is_object(message.value)));
	if (message.kind == QMP_ERROR)
		fuzz_assert(message.text != NULL);
	if (message.kind == QMP_RETURN)
		fuzz_assert(message.value != NULL);
	if (message.kind == QMP_GREETING)
		fuzz_assert(message.version[0]);
	qmp_message_done(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct qmp_lines lines = { 0 };
	size_t length, total = 0;
	const char *line;
	if (!count)
		return 0;
	size_t piece = bytes[0] ? bytes[0] : 4096;
	for (size_t at = 1; at < count; at += piece) {
		size_t feed = count - at < piece ? count - at : piece;
		if (qmp_lines_feed(&lines, (const char *)bytes + at, feed, NULL))
			break;
		while (qmp_lines_next(&lines, &line, &length)) {
			fuzz_assert(memchr(line, '\n', length) == NULL);
			total += length + 1;
			check(line, length);
		}
	}
	fuzz_assert(total <= count);
	qmp_lines_done(&lines);
	return 0;
}
