// SPDX-License-Identifier: GPL-3.0-or-later
// Help from the tables, so that it cannot say what is not there.
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include <stdio.h>
#include "ctl/args.h"

// Of everything, of a noun, or of a verb, as far as it was typed.
void help_print(FILE *out, const struct noun *nouns, const struct args *args);

#endif
