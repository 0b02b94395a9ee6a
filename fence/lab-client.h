// SPDX-License-Identifier: GPL-3.0-or-later
// Asks a lab node's power switch over UDP and waits for what it answers. One request is one nonce, sent again until the deadline: the switch
// carries it out once and answers when it is done.
#ifndef FENCE_LAB_CLIENT_H
#define FENCE_LAB_CLIENT_H

#include "common/error.h"
#include "deploy/lab/bmc/wire.h"

// Blocks, at most TIMEOUT_S. *ANSWER: BMC_OK, BMC_IS_ON, BMC_IS_OFF; a switch that failed is an error.
int fence_lab_ask(const char *ip, const char *key, enum bmc_word request, unsigned timeout_s, enum bmc_word *answer,
	struct error *err) MUST_CHECK;

#endif
