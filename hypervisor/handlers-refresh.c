// SPDX-License-Identifier: GPL-3.0-or-later
// The request for a new QEMU under a guest, its answer and its event.
#include <stdlib.h>
#include <string.h>
#include "hypervisor/handlers.h"
#include "hypervisor/vm-refresh.h"

#define LOCK_MS 30000

static void tell(struct vm *vm, const struct refresh_report *report, const Holdfast__RefreshResult *result)
{
	host_event(vm->group->hv, "vm-refreshed", vm->group->name, vm->name, report->duration_ms,
		report->pause_ms, (const Holdfast__Step *const *)result->steps, result->n_steps,
		"VM %s got a new QEMU on node %s (%s, was %s) and stood still for %.0f ms", vm->name,
		vm->group->hv->config.node, report->after, report->before, report->pause_ms);
}

static int refresh(struct vm *vm, Holdfast__RefreshResult *result, struct error *err)
{
	struct refresh_report report;
	if (vm_refresh(vm, &report, err))
		return -1;
	result->vm = strdup(vm->name);
	result->before = strdup(report.before);
	result->after = strdup(report.after);
	result->duration_ms = report.duration_ms;
	result->pause_ms = report.pause_ms;
	result->steps = steps_messages(&report.steps, &result->n_steps);
	tell(vm, &report, result);
	return 0;
}

HANDLER_DECLARED(serve_refresh)
{
	struct hypervisor *hv = data;
	struct vm *vm = handler_lock_vm(hv, request->vm_refresh->name, LOCK_MS, err);
	if (!vm)
		return -1;
	struct group *group = vm->group;
	Holdfast__RefreshResult *result = malloc(sizeof(*result));
	int failed = result ? 0 : error_set(err, ERROR_FAILED, "no memory for a reply");
	if (result) {
		holdfast__refresh_result__init(result);
		reply->refresh = result;
		reply->body_case = HOLDFAST__REPLY__BODY_REFRESH;
		failed = refresh(vm, result, err);
	}
	task_unlock(&group->mutex);
	return failed;
}
