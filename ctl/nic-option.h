// SPDX-License-Identifier: GPL-3.0-or-later
// The value of --nic: NETWORK[,model=MODEL][,mac=MAC]. Pure.
#ifndef CTL_NIC_OPTION_H
#define CTL_NIC_OPTION_H

#include "common/error.h"
#include "proto/definition.pb-c.h"

// Fills NIC (an INIT) from TEXT, which is cut in pieces: texts of NIC point into it.
int nic_option_parse(char *text, Holdfast__Nic *nic, struct error *err) MUST_CHECK;

#endif
