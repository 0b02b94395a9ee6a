// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU says on a QMP socket, line by line. Strict, because a hostile guest may own its QEMU: lines over 1 MiB, anything that is no
// object, and objects that are no greeting, reply or event are errors. Pure; a fuzz target feeds it.
#ifndef HYPERVISOR_QMP_PARSE_H
#define HYPERVISOR_QMP_PARSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

#define QMP_LINE_LIMIT (1u << 20)

struct qmp_lines {
	char *buffer;
	size_t used, size, taken;
};

void qmp_lines_done(struct qmp_lines *lines);
int qmp_lines_feed(struct qmp_lines *lines, const char *bytes, size_t count, struct error *err) MUST_CHECK;
// 1 with the next whole line, without its end, valid until the next call of feed or next; 0 if there is none.
int qmp_lines_next(struct qmp_lines *lines, const char **line, size_t *length);

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };
struct qmp_message {
	json_t *json;			// the whole object; the rest points into it
	enum qmp_kind kind;
	char version[32];		// greeting: "7.2.22"
	bool reads_ahead;		// greeting: it offers "oob"
	uint64_t id;			// return, error; 0: none
	json_t *value;			// return: the value; event: its data or NULL
	const char *text;		// error: description; event: name
	double seconds;			// event
};
int qmp_message_parse(const char *line, size_t length, struct qmp_message *message, struct error *err) MUST_CHECK;
void qmp_message_done(struct qmp_message *message);

#endif
