// SPDX-License-Identifier: GPL-3.0-or-later
// Text fields of messages that were unpacked, or are an INIT.
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include "common/error.h"

// A copy of TEXT in place of *FIELD, which is freed unless it is protobuf-c's default.
int proto_set_text(char **field, const char *text, struct error *err) MUST_CHECK;

#endif
