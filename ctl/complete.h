// SPDX-License-Identifier: GPL-3.0-or-later
// What bash's completion asks: `holdfast --complete WORD...`, the last of which is being typed. The tables answer; names of groups, VMs and
// nodes come from the daemon, if it answers at once.
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include <stdio.h>
#include "ctl/args.h"

int complete(int count, char *const words[]);	// to stdout, a candidate a line; the exit status

// The pure part. *names is the kind of name that may stand there too ("group", "node", "VM"), or NULL.
void complete_words(FILE *out, const struct noun *table, int count, char *const words[], const char **names);

#endif
