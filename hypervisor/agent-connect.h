// SPDX-License-Identifier: GPL-3.0-or-later
// The way to a guest's agent: QEMU's socket of its channel, which takes one client at a time.
#ifndef HYPERVISOR_AGENT_CONNECT_H
#define HYPERVISOR_AGENT_CONNECT_H

#include <stdint.h>

#define AGENT_CHATTER_MAX (64 << 10)	// more bytes than this for one question: no agent

int agent_connect(const char *path);	// without waiting; -1: somebody else has it, or there is none
int64_t agent_question_id(void);	// that no older answer has

#endif
