// SPDX-License-Identifier: GPL-3.0-or-later
// Finds guests in trouble and handles them, one task each: it locks the group, looks again whether the trouble is still there and still ours to
// handle, keeps evidence, and then does what the definition says. QEMU has stopped a guest that panicked or whose watchdog ran out; a silent
// one runs.
#include "hypervisor/health.h"
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/evidence.h"
#include "hypervisor/group-private.h"
#include "hypervisor/heartbeat.h"
#include "hypervisor/restart-limit.h"
#include "hypervisor/vm-private.h"
#include "proto/health.h"

#define TICK_MS 1000
#define STALL_MS 3000 // later than this we did not listen ourselves
#define LOCK_MS 3600000
#define STOP_TRIES 20
#define STOP_TRY_MS 50
#define RESETS_MIN 5u

struct handling { // names, not pointers: both may be gone when the task has its turn
	struct hypervisor *hv;
	char group[64], vm[64];
	pid_t pid;
	unsigned news; // what it was begun for
};

static const char *const texts[] = {
	[HEALTH_WELL] = "is well",
	[HEALTH_PANICKED] = "panicked",
	[HEALTH_WATCHDOG] = "hung (its watchdog ran out)",
	[HEALTH_SILENT] = "hung (its agent does not answer any more)",
	[HEALTH_RESETTING] = "resets itself again and again (a triple fault, or a boot that fails)",
};

static Holdfast__HealthAction action_of(const struct vm *vm)
{
	bool panics = vm->health.trouble == HEALTH_PANICKED || vm->health.trouble == HEALTH_RESETTING;
	return panics ? health_on_panic(vm->wanted) : health_on_hang(vm->wanted);
}

static bool held_by_move(const struct group *group)
{
	const struct move_hooks *hooks = &group->hv->move_hooks;
	return hooks->holds && hooks->holds(hooks->moves, group->name);
}

// ---- what is done

static void tell(struct vm *vm, const char *kind, const char *evidence, const char *what)
{
	struct hypervisor *hv = group_hypervisor(vm->group);
	host_event_evidence(hv, kind, group_name(vm->group), vm->name, evidence, "VM %s %s on node %s%s%s%s",
		vm->name, texts[vm->health.trouble], hv->config.node, what, evidence[0] ? "; evidence: " : "",
		evidence);
}

static const char *kind_of(const struct vm *vm)
{
	if (vm->health.trouble == HEALTH_RESETTING)
		return "vm-resetting";
	return vm->health.trouble == HEALTH_PANICKED ? "vm-panicked" : "vm-hung";
}

// QEMU has not stopped it.
static bool runs_on(enum health_trouble trouble)
{
	return trouble == HEALTH_SILENT || trouble == HEALTH_RESETTING;
}

static void keep_stopped(struct vm *vm, const char *evidence)
{
	struct error err = ERROR_INIT;
	if (runs_on(vm->health.trouble) && vm_stop_cpus(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
	if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING)
		vm_event_now(vm, VM_EVENT_PAUSED);
	vm_reason(vm, "it %s; it is kept as it is: holdfast vm resume %s, or holdfast vm stop %s --force",
		texts[vm->health.trouble], vm->name, vm->name);
	tell(vm, kind_of(vm), evidence, " and is kept as it is");
}

static void let_be(struct vm *vm)
{
	struct error err = ERROR_INIT;
	if (!runs_on(vm->health.trouble) && vm_continue(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
	tell(vm, kind_of(vm), "", " and is left alone");
	vm->health.told = vm->health.trouble == HEALTH_SILENT;
}

static void handle(struct group *group, struct vm *vm)
{
	char evidence[EVIDENCE_NAME_BYTES] = "", why[128];
	Holdfast__HealthAction action = action_of(vm);
	vm->health.resets = 0;
	log_warning("vm=%s group=%s the guest %s", vm->name, group->name, texts[vm->health.trouble]);
	if (action == HOLDFAST__HEALTH_ACTION__HEALTH_IGNORE) {
		let_be(vm);
		return;
	}
	fault_point("health:trouble");
	evidence_keep(vm, texts[vm->health.trouble], evidence);
	fault_point("health:evidence");
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING)
		return; // it died meanwhile: that is the keeper's
	if (action == HOLDFAST__HEALTH_ACTION__HEALTH_KEEP) {
		keep_stopped(vm, evidence);
		return;
	}
	tell(vm, kind_of(vm), evidence, " and is started again");
	snprintf(why, sizeof(why), "%s", texts[vm->health.trouble]);
	keeper_replace(group, vm, why);
}

// Whether what was seen is still so: somebody may have reset, paused or resumed the guest before we had our turn.
static bool still(struct vm *vm)
{
	char status[32];
	struct error err = ERROR_INIT;
	for (int i = 0;; i++) {
		if (vm_query_status(vm, status, &err)) {
			log_warning("vm=%s %s", vm->name, err.message);
			return vm_has_process(vm) && runs_on(vm->health.trouble);
		}
		// QEMU tells before it stops the guest.
		bool stopping = !runs_on(vm->health.trouble) && !strcmp(status, "running");
		if (!stopping || i == STOP_TRIES || task_pause(STOP_TRY_MS, &err))
			break;
	}
	switch (vm->health.trouble) {
	case HEALTH_PANICKED:
		return !strcmp(status, "guest-panicked");
	case HEALTH_WATCHDOG:
		return !strcmp(status, "watchdog");
	case HEALTH_SILENT:
		return !strcmp(status, "running") && vm->health.beat &&
			heartbeat_late(vm->health.beat, health_heartbeat_s(vm->wanted));
	case HEALTH_RESETTING:
		return !strcmp(status, "running");
	default:
		return false;
	}
}

static void handle_task(void *data)
{
	struct handling *handling = data;
	struct error err = ERROR_INIT;
	struct group *group = group_find(handling->hv, handling->group);
	if (group && task_lock(&group->mutex, LOCK_MS, &err)) {
		log_warning("vm=%s %s", handling->vm, err.message);
	} else if (group) {
		struct vm *vm = group->removed ? NULL : group_vm_find(group, handling->vm);
		if (vm && vm_pid(vm) == handling->pid) {
			if (vm->state == HOLDFAST__VM_STATE__VM_RUNNING && !held_by_move(group) && still(vm))
				handle(group, vm);
			vm = group_vm_find(group, handling->vm);
		}
		if (vm) {
			// Of a guest that is on its way the trouble is looked at again when it is back; so is one that came meanwhile, as of
			// a guest that was started again and has panicked already.
			bool here = vm->state == HOLDFAST__VM_STATE__VM_RUNNING ||
				vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
			if (here && vm_pid(vm) == handling->pid && vm->health.news == handling->news)
				vm->health.trouble = HEALTH_WELL;
			vm->health.handled = false;
		}
		task_unlock(&group->mutex);
	}
	free(handling);
}

static void look_into(struct vm *vm)
{
	struct error err = ERROR_INIT;
	struct hypervisor *hv = group_hypervisor(vm->group);
	if (vm->health.handled || vm->state != HOLDFAST__VM_STATE__VM_RUNNING || held_by_move(vm->group))
		return;
	struct handling *handling = calloc(1, sizeof(*handling));
	if (handling) {
		handling->hv = hv;
		snprintf(handling->group, sizeof(handling->group), "%s", group_name(vm->group));
		snprintf(handling->vm, sizeof(handling->vm), "%s", vm->name);
		handling->pid = vm_pid(vm);
		handling->news = vm->health.news;
		vm->health.handled = true;
		if (task_start(hv->loop, "health", handle_task, handling, &err))
			return;
		vm->health.handled = false;
		free(handling);
	}
	log_error("vm=%s its trouble is not handled: %s", vm->name, err.message);
}

static void in_trouble(struct vm *vm, enum health_trouble trouble)
{
	vm->health.trouble = trouble;
	vm->health.news++;
	look_into(vm);
}

// More resets by the guest itself than it may be restarted in the same period, and than anybody reboots it for good reason. QEMU does not tell a
// triple fault from a reboot; how often does.
static bool resets_too_often(struct vm *vm)
{
	struct vm_health *health = &vm->health;
	double now_ms = loop_now_ms(), period_ms = 1000.0 * restart_limit_period_s(vm->wanted);
	unsigned limit = restart_limit_most(vm->wanted), kept = 0;
	if (limit < RESETS_MIN)
		limit = RESETS_MIN;
	for (unsigned i = 0; i < health->resets; i++)
		if (now_ms - health->reset_ms[i] < period_ms)
			health->reset_ms[kept++] = health->reset_ms[i];
	health->resets = kept;
	if (kept >= limit)
		return true;
	health->reset_ms[health->resets++] = now_ms;
	return false;
}

static void on_reset(struct vm *vm, const json_t *data)
{
	if (vm->health.beat)
		heartbeat_forget(vm->health.beat); // it boots, and has no agent for a while
	if (json_is_true(json_object_get(data, "guest")) && resets_too_often(vm) && vm->health.trouble == HEALTH_WELL)
		in_trouble(vm, HEALTH_RESETTING);
}

void health_on_event(struct vm *vm, const char *event, const json_t *data)
{
	if (!strcmp(event, "GUEST_PANICKED"))
		in_trouble(vm, HEALTH_PANICKED);
	else if (!strcmp(event, "WATCHDOG"))
		in_trouble(vm, HEALTH_WATCHDOG);
	else if (!strcmp(event, "RESET"))
		on_reset(vm, data);
}

void health_on_status(struct vm *vm, const char *status)
{
	if (!strcmp(status, "guest-panicked"))
		vm->health.trouble = HEALTH_PANICKED;
	else if (!strcmp(status, "watchdog"))
		vm->health.trouble = HEALTH_WATCHDOG;
}

void health_forget(struct vm *vm)
{
	heartbeat_free(steal_ptr(vm->health.beat));
	vm->health = (struct vm_health){ .handled = vm->health.handled };
}

// ---- once a second

static void listen(struct vm *vm, bool stalled)
{
	char path[512];
	unsigned period_s = health_heartbeat_s(vm->wanted);
	if (!period_s) {
		heartbeat_free(steal_ptr(vm->health.beat));
		vm->health.told = false;
		return;
	}
	if (!vm->health.beat)
		vm->health.beat = heartbeat_new(group_hypervisor(vm->group)->loop);
	struct heartbeat *beat = vm->health.beat;
	if (!beat || vm_path(vm, "guest-agent.sock", path, sizeof(path), NULL))
		return;
	if (vm->clock.under_way)
		heartbeat_rest(beat);
	if (stalled || vm->clock.under_way || vm->state != HOLDFAST__VM_STATE__VM_RUNNING || held_by_move(vm->group)) {
		heartbeat_forgive(beat);
		return;
	}
	heartbeat_ask(beat, path, period_s);
	bool late = heartbeat_late(beat, period_s);
	if (!late)
		vm->health.told = false;
	else if (!vm->health.told && vm->health.trouble == HEALTH_WELL)
		vm->health.trouble = HEALTH_SILENT;
}

struct watching {
	struct hypervisor *hv;
	double last_ms;
};

static enum loop_verdict look(void *data)
{
	struct watching *watching = data;
	double now_ms = loop_now_ms();
	bool stalled = now_ms - watching->last_ms > STALL_MS;
	watching->last_ms = now_ms;
	for (struct group *group = watching->hv->groups->first; group; group = group->next) {
		for (size_t i = 0; !group->removed && i < group->vm_count; i++) {
			struct vm *vm = group->vms[i];
			if (!vm_has_process(vm))
				continue;
			listen(vm, stalled);
			if (vm->health.trouble != HEALTH_WELL)
				look_into(vm);
		}
	}
	return LOOP_CONTINUE;
}

void health_begin(struct hypervisor *hv)
{
	struct watching *watching = calloc(1, sizeof(*watching));
	if (!watching)
		return;
	*watching = (struct watching){ hv, loop_now_ms() };
	hv->health = watching;
	loop_add_timer(hv->loop, TICK_MS, look, watching);
}
