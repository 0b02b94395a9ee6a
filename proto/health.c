// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of health settings: see health.h. A guest that panics is restarted unless somebody said otherwise: every VM has the device that tells.
#include "proto/health.h"

bool health_watchdog(const Holdfast__Vm *vm)
{
	return vm->health && vm->health->watchdog;
}

unsigned health_heartbeat_s(const Holdfast__Vm *vm)
{
	return vm->health && vm->agent ? vm->health->heartbeat_s : 0;
}

Holdfast__HealthAction health_on_hang(const Holdfast__Vm *vm)
{
	return vm->health ? vm->health->on_hang : HOLDFAST__HEALTH_ACTION__HEALTH_RESTART;
}

Holdfast__HealthAction health_on_panic(const Holdfast__Vm *vm)
{
	return vm->health ? vm->health->on_panic : HOLDFAST__HEALTH_ACTION__HEALTH_RESTART;
}

int health_check(const Holdfast__Vm *vm, struct error *err)
{
	const Holdfast__Health *health = vm->health;
	if (!health || !health->heartbeat_s)
		return 0;
	if (!vm->agent)
		return error_set(err, ERROR_USAGE,
			"VM %s: a heartbeat comes from the guest agent: give --agent too, if the guest runs "
			"one",
			vm->name);
	if (health->heartbeat_s < HEALTH_HEARTBEAT_LEAST_S || health->heartbeat_s > HEALTH_HEARTBEAT_MOST_S)
		return error_set(err, ERROR_USAGE,
			"VM %s: a heartbeat of %u s makes no sense: give %u to %u s", vm->name,
			health->heartbeat_s, HEALTH_HEARTBEAT_LEAST_S, HEALTH_HEARTBEAT_MOST_S);
	return 0;
}
