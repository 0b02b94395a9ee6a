// SPDX-License-Identifier: GPL-3.0-or-later
// The options of `vm create` and `vm set` that say how a VM's health is watched and what is done about it; and `vm evidence`.
#ifndef CTL_VM_HEALTH_H
#define CTL_VM_HEALTH_H

#include "ctl/args.h"
#include "ctl/session.h"
#include "proto/definition.pb-c.h"

// Puts what was given into VM; what was not given stays as it is. VM->health stays NULL if there is nothing for it, else it is HEALTH.
void vm_health_fill(const struct args *args, Holdfast__Health *health, Holdfast__Vm *vm);
bool vm_health_given(const struct args *args);

int vm_evidence(struct session *session, const struct args *args, struct error *err) MUST_CHECK;	// waits
extern const struct arg vm_evidence_operands[];

// clang-format off
#define VM_HEALTH_OPTIONS \
	{ .name = "heartbeat", .kind = ARG_SECONDS, .what = "time", .most = 86400, \
		.help = "the guest hangs when its agent did not answer for this time; 0: no heartbeat [0]" }, \
	{ .name = "watchdog", .kind = ARG_CHOICE, .what = "yes|no", .choices = "no|yes", \
		.help = "give it a watchdog (i6300esb) that its system has to feed [no]" }, \
	{ .name = "on-hang", .kind = ARG_CHOICE, .what = "action", .choices = "restart|keep|ignore", \
		.help = "when it hangs: restart [default], keep (stopped, to be looked at) or ignore" }, \
	{ .name = "on-panic", .kind = ARG_CHOICE, .what = "action", .choices = "restart|keep|ignore", \
		.help = "when it panics: restart [default], keep or ignore" }
// clang-format on

#endif
