// SPDX-License-Identifier: GPL-3.0-or-later
// Bandwidth limits of guests' NICs, on their taps: the kernel's traffic control, one rule each way. The rules go with the tap.
#ifndef HYPERVISOR_TAP_LIMIT_H
#define HYPERVISOR_TAP_LIMIT_H

#include <net/if.h>
#include <stdint.h>
#include "common/error.h"

// The tap that tap_open made for a guest's NIC with this MAC address. ERROR_NOT_FOUND: there is none.
int tap_find(const char *mac, char name[IFNAMSIZ], struct error *err) MUST_CHECK;
// What may go through interface NAME each second, each way; 0: no limit (any more).
int tap_limit(const char *name, uint64_t bytes_per_s, struct error *err) MUST_CHECK;

#endif
