// SPDX-License-Identifier: GPL-3.0-or-later
// A value against its argument's kind. Only args.c includes this.
#ifndef CTL_ARGS_CHECK_H
#define CTL_ARGS_CHECK_H

#include "ctl/args.h"

// Checks TEXT (NULL for a flag) and puts it, or each of its names, behind the values of ARGS.
int args_check_add(struct args *args, const struct arg *arg, const char *text, struct error *err) MUST_CHECK;

#endif
