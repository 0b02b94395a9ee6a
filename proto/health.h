// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM's health settings may be, and what they mean where the definition says nothing. Pure; the same for clusterd and hypervisord.
#ifndef PROTO_HEALTH_H
#define PROTO_HEALTH_H

#include <stdbool.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

#define HEALTH_HEARTBEAT_LEAST_S 2u
#define HEALTH_HEARTBEAT_MOST_S 86400u

int health_check(const Holdfast__Vm *vm, struct error *err) MUST_CHECK;	// ERROR_USAGE: what, why, what to do
bool health_watchdog(const Holdfast__Vm *vm);	// it has the virtual watchdog
unsigned health_heartbeat_s(const Holdfast__Vm *vm);	// 0: none
Holdfast__HealthAction health_on_hang(const Holdfast__Vm *vm);
Holdfast__HealthAction health_on_panic(const Holdfast__Vm *vm);

#endif
