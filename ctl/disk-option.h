// SPDX-License-Identifier: GPL-3.0-or-later
// The value of --disk: SIZE[,KEY=VALUE]... A key is a line of the table in disk-option.c. Pure.
#ifndef CTL_DISK_OPTION_H
#define CTL_DISK_OPTION_H

#include "common/error.h"
#include "proto/definition.pb-c.h"

// Fills DISK (an INIT) from TEXT, which is cut in pieces: texts of DISK point into it.
int disk_option_parse(char *text, Holdfast__Disk *disk, struct error *err) MUST_CHECK;

#endif
