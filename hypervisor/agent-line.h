// SPDX-License-Identifier: GPL-3.0-or-later
// The guest agent's words: what is asked, and what of the bytes that come from the guest is an answer. The guest may send anything for ever.
#ifndef HYPERVISOR_AGENT_LINE_H
#define HYPERVISOR_AGENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_LINE_MAX 512	// an answer to what we ask is much shorter

struct agent_line {		// zero to begin with
	char bytes[AGENT_LINE_MAX];
	size_t used;
	bool skipping;		// the line is too long: up to its end
};

// Takes COUNT bytes; true if the agent's answer to guest-sync-delimited with ID was among them.
bool agent_line_feed(struct agent_line *line, const char *bytes, size_t count, int64_t id);
// The question, with a delimiter before it that ends whatever the agent was in the middle of. Returns its length.
size_t agent_line_question(char *text, size_t size, int64_t id);


// The first answer to a command that was sent after the agent had answered the question. WHY: what an agent that refused says.
enum agent_answer { AGENT_SILENT, AGENT_DONE, AGENT_REFUSED };
enum agent_answer agent_line_answer(
	struct agent_line *line, const char *bytes, size_t count, char *why, size_t size);
// The command that sets the guest's clock: to TIME_NS since 1970, or, 0, from the machine's clock. Returns its length.
size_t agent_line_set_time(char *text, size_t size, int64_t time_ns);

#endif
