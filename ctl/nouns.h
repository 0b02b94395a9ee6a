// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of all nouns: the whole command line of this version. Each noun's verbs are in the file of its name.
#ifndef CTL_NOUNS_H
#define CTL_NOUNS_H

#include "ctl/args.h"

extern const struct noun nouns[];	// ends with name NULL

extern const struct verb cluster_verbs[], node_verbs[], group_verbs[], vm_verbs[], checkpoint_verbs[], volume_verbs[],
	fence_verbs[], events_verbs[];

// Operands and options that several nouns have.
#define OPERAND_GROUP { .name = "GROUP", .kind = ARG_NAME, .what = "group" }
#define OPERAND_VM { .name = "VM", .kind = ARG_NAME, .what = "VM" }
#define OPERAND_NODE { .name = "NODE", .kind = ARG_NAME, .what = "node" }
#define OPTION_NO_WAIT { .name = "no-wait", .kind = ARG_FLAG, .help = "return at once; `holdfast events` tells the end" }
#define ARGS_END { .name = NULL }

#endif
