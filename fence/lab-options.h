// SPDX-License-Identifier: GPL-3.0-or-later
// What fence_holdfast_lab is asked, by the conventions of fence agents: options on the command line, or name=value lines on stdin if there
// are none. Parsing and checking only.
#ifndef FENCE_LAB_OPTIONS_H
#define FENCE_LAB_OPTIONS_H

#include <stdio.h>
#include "common/error.h"

enum fence_action {
	FENCE_ACTION_METADATA, FENCE_ACTION_VALIDATE, FENCE_ACTION_MONITOR, FENCE_ACTION_STATUS,
	FENCE_ACTION_OFF, FENCE_ACTION_ON, FENCE_ACTION_REBOOT,
	FENCE_ACTIONS
};

struct fence_options {
	enum fence_action action;
	char ip[16];			// of the power switch, dotted
	char key[129];
	char plug[64];			// for messages only: a switch has one node
	unsigned timeout_s;
};

#define FENCE_TIMEOUT_DEFAULT_S 20
#define FENCE_TIMEOUT_MAX_S 600

// ARGC and ARGV as of main; lines are read from INPUT if ARGC is 1. Options that nobody knows are ignored on stdin (the cluster passes all
// it has) and refused on the command line. Everything that the action needs has been checked.
int fence_options_parse(struct fence_options *options, int argc, char **argv, FILE *input, struct error *err) MUST_CHECK;
const char *fence_action_name(enum fence_action action);

#endif
