// SPDX-License-Identifier: GPL-3.0-or-later
// Disks and NICs of a running guest, in and out, each at the place that its number in vm->running gives it. A device that is on its way is written
// down as unsure before QEMU hears of it; whoever finds it there after a crash asks QEMU. What was taken out leaves its place empty.
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/group-private.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/qemu-devices.h"
#include "hypervisor/tap.h"
#include "hypervisor/vm-private.h"
#include "proto/json.h"
#include "proto/pending.h"
#include "proto/shape.h"

#define LET_GO_MS 20000
#define LOCK_MS 60000
#define LOOK_AGAIN_MS 50
#define ASK_AGAIN_MS 5000
#define RELEASE_MS 5000
#define TAP_NAME "hottap"

static void device_id(const char *kind, size_t i, char id[QEMU_ID_BYTES])
{
	snprintf(id, QEMU_ID_BYTES, "%s%zu", kind, i);
}

// ---- what is on its way

int hotplug_set_unsure(struct vm *vm, const char *id, struct error *err)
{
	Holdfast__Plugged *plugged = vm->running->plugged;
	char **more = reallocarray(plugged->unsure, plugged->n_unsure + 1, sizeof(*more));
	char *copy = strdup(id);
	if (more)
		plugged->unsure = more;
	if (!more || !copy) {
		free(copy);
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	}
	more[plugged->n_unsure++] = copy;
	return running_keep(vm, err);
}

// It is where vm->running says now. A record that cannot be written only makes the next hypervisord ask QEMU.
void hotplug_set_sure(struct vm *vm, const char *id)
{
	Holdfast__Plugged *plugged = vm->running->plugged;
	struct error err = ERROR_INIT;
	for (size_t i = 0; i < plugged->n_unsure; i++) {
		if (strcmp(plugged->unsure[i], id))
			continue;
		free(plugged->unsure[i]);
		plugged->unsure[i--] = plugged->unsure[--plugged->n_unsure];
	}
	if (running_keep(vm, &err))
		log_warning("vm=%s %s", vm->name, err.message);
}

static int query_device(struct vm *vm, const char *id, bool *there, struct error *err)
{
	json_t *list = NULL, *entry;
	size_t index;
	*there = false;
	if (qmp_command(vm->qmp, "qom-list", json_pack("{s:s}", "path", "/machine/peripheral"),
		    QMP_TIMEOUT_MS, &list, err))
		return error_prefix(err, "VM %s", vm->name);
	json_array_foreach (list, index, entry) {
		const char *name = json_string_value(json_object_get(entry, "name"));
		*there |= name && !strcmp(name, id);
	}
	json_decref(list);
	return 0;
}

// Asks the guest to let go of it and waits until it has. The guest may not listen yet (it is booting), so it is asked again.
static int take_out(struct vm *vm, const char *id, const char *what, struct error *err)
{
	int64_t now = loop_now_us(), deadline = now + LET_GO_MS * 1000LL, ask = now;
	bool there = true;
	if (vm->state != HOLDFAST__VM_STATE__VM_RUNNING)
		return error_set(err, ERROR_BUSY,
			"VM %s is %s and cannot let go of %s: let it run, or stop it first", vm->name,
			vm_state_name(vm->state), what);
	while (there) {
		struct error ignored = ERROR_INIT;
		if (loop_now_us() >= ask) {
			// An error is that it is being removed already, or that the guest refused: the list below tells.
			if (qmp_command(vm->qmp, "device_del", json_pack("{s:s}", "id", id), QMP_TIMEOUT_MS,
				    NULL, &ignored))
				log_debug("vm=%s %s: %s", vm->name, id, ignored.message);
			ask = loop_now_us() + ASK_AGAIN_MS * 1000LL;
		}
		if (query_device(vm, id, &there, err))
			return -1;
		if (there && loop_now_us() > deadline)
			return error_set(err, ERROR_TIMEOUT,
				"the guest of VM %s does not let go of %s: nothing is changed; is it booted, "
				"and "
				"does it know hot-plug? Else stop it first",
				vm->name, what);
		if (there && task_pause(LOOK_AGAIN_MS, err))
			return -1;
	}
	return 0;
}

// The commands are carried out one after the other, whatever becomes of each: for clearing away.
static void clear_away(struct vm *vm, const struct qmp_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct error ignored = ERROR_INIT;
		if (qmp_command(
			    vm->qmp, steps[i].command, steps[i].arguments, QMP_TIMEOUT_MS, NULL, &ignored))
			log_debug("vm=%s %s: %s", vm->name, steps[i].command, ignored.message);
	}
}

// ---- disks

// Its device is gone, and lets go of the disk a moment later.
static void await_released(struct vm *vm, size_t i)
{
	char name[QEMU_ID_BYTES];
	device_id("disk", i, name);
	for (int64_t deadline = loop_now_us() + RELEASE_MS * 1000LL; loop_now_us() < deadline;) {
		struct error ignored = ERROR_INIT;
		if (!qmp_command(vm->qmp, "blockdev-del", json_pack("{s:s}", "node-name", name),
			    QMP_TIMEOUT_MS, NULL, &ignored) ||
			strstr(ignored.message, "Failed to find node"))
			return;
		if (task_pause(LOOK_AGAIN_MS, &ignored))
			return;
	}
}

static void clear_disk(struct vm *vm, size_t i)
{
	static const char *const kinds[] = { "qcow", "span", "real", "hold" };
	struct qmp_step steps[8];
	size_t count = 0;
	char name[QEMU_ID_BYTES];
	await_released(vm, i);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		device_id(kinds[k], i, name);
		steps[count++] = (struct qmp_step){ "blockdev-del", json_pack("{s:s}", "node-name", name) };
	}
	device_id("io", i, name);
	steps[count++] = (struct qmp_step){ "object-del", json_pack("{s:s}", "id", name) };
	steps[count++] = (struct qmp_step){ "remove-fd", json_pack("{s:i}", "fdset-id", qemu_disk_fdset(i)) };
	steps[count++] = (struct qmp_step){ "remove-fd", json_pack("{s:i}", "fdset-id", qemu_parent_fdset(i)) };
	clear_away(vm, steps, count);
}

static void empty_disk(struct vm *vm, size_t i)
{
	Holdfast__Disk *gone = malloc(sizeof(*gone));
	char name[QEMU_ID_BYTES];
	if (!gone) {
		vm->running->disks[i]->volume = 0;
		return;
	}
	holdfast__disk__init(gone);
	device_id("gone-", i, name);
	gone->name = strdup(name);
	if (!gone->name)
		gone->name = (char *)protobuf_c_empty_string;
	holdfast__disk__free_unpacked(vm->running->disks[i], NULL);
	vm->running->disks[i] = gone;
}

// The first empty place of the running guest, or a new one at the end; -1 without memory.
static int place_disk(struct vm *vm, const Holdfast__Disk *disk, size_t *place)
{
	Holdfast__Vm *running = vm->running;
	Holdfast__Disk *copy = (Holdfast__Disk *)proto_copy(&disk->base);
	size_t i = 0;
	while (i < running->n_disks && qemu_disk_there(running, i))
		i++;
	if (copy && i == running->n_disks) {
		Holdfast__Disk **more = reallocarray(running->disks, i + 1, sizeof(*more));
		if (!more) {
			holdfast__disk__free_unpacked(copy, NULL);
			return -1;
		}
		running->disks = more;
		running->n_disks++;
	} else if (copy) {
		holdfast__disk__free_unpacked(running->disks[i], NULL);
	}
	if (!copy)
		return -1;
	running->disks[i] = copy;
	*place = i;
	return 0;
}

// A SCSI disk needs the controller, which is there only if the guest was started with such a disk.
static bool has_bus(const Holdfast__Vm *running, size_t i)
{
	if (shape_disk_bus(running, running->disks[i]) != HOLDFAST__DISK_BUS__BUS_SCSI)
		return true;
	return running->plugged->scsi;
}

static int plug_disk(struct vm *vm, size_t i, struct error *err)
{
	struct qmp_step steps[4];
	size_t count = 0;
	uint64_t bytes[QEMU_DISKS_MAX];
	if (vm_disk_bytes(vm, bytes, err))
		return -1;
	if (qemu_disk_has_iothread(vm->running, i))
		steps[count++] = (struct qmp_step){ "object-add", qemu_disk_iothread(i) };
	steps[count++] = (struct qmp_step){ "blockdev-add", qemu_hold_node(i, bytes[i]) };
	steps[count++] = (struct qmp_step){ "blockdev-add", qemu_disk_node(i, "hold") };
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err) || vm_attach_disk(vm, i, err))
		return -1;
	return qmp_command(
		vm->qmp, "device_add", qemu_disk_device(vm->running, i), QMP_TIMEOUT_MS, NULL, err);
}

static int add_disk(struct vm *vm, const Holdfast__Disk *disk, struct error *err)
{
	char id[QEMU_ID_BYTES];
	size_t i;
	if (place_disk(vm, disk, &i))
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	// It waits for the next start: there is no port for it, or it is of a kind that is never plugged in.
	if (i >= QEMU_DISKS_MAX || !qemu_disk_pluggable(vm->running, i) || !has_bus(vm->running, i)) {
		empty_disk(vm, i);
		return 0;
	}
	device_id("vdisk", i, id);
	int failed = hotplug_set_unsure(vm, id, err);
	if (!failed && vm->disk_count < vm->running->n_disks)
		vm->disk_count = vm->running->n_disks;
	if (!failed && plug_disk(vm, i, err)) {
		clear_disk(vm, i);
		failed = -1;
	}
	if (failed)
		empty_disk(vm, i);
	hotplug_set_sure(vm, id);
	return failed ? error_prefix(err, "disk %s", disk->name) : 0;
}

static int remove_disk(struct vm *vm, size_t i, struct error *err)
{
	char id[QEMU_ID_BYTES], what[100];
	device_id("vdisk", i, id);
	snprintf(what, sizeof(what), "disk %.63s", vm->running->disks[i]->name);
	if (!qemu_disk_pluggable(vm->running, i))
		return error_set(err, ERROR_UNSAFE,
			"VM %s: %s is on a bus, or at a place, that it cannot be taken out of while the "
			"guest "
			"runs: stop the VM first",
			vm->name, what);
	if (hotplug_set_unsure(vm, id, err))
		return -1;
	// It stays unsure after a failure: the guest has been asked, and may do it yet.
	if (take_out(vm, id, what, err))
		return -1;
	clear_disk(vm, i);
	int failed = vm_await_disk_closed(vm, i, err);
	empty_disk(vm, i);
	hotplug_set_sure(vm, id);
	return failed;
}

// ---- NICs

static void clear_nic(struct vm *vm, size_t i)
{
	char name[QEMU_ID_BYTES];
	device_id("net", i, name);
	struct qmp_step step = { "netdev_del", json_pack("{s:s}", "id", name) };
	clear_away(vm, &step, 1);
}

static void empty_nic(struct vm *vm, size_t i)
{
	Holdfast__Nic *gone = malloc(sizeof(*gone));
	if (!gone) {
		vm->running->nics[i]->network[0] = '\0';
		return;
	}
	holdfast__nic__init(gone);
	holdfast__nic__free_unpacked(vm->running->nics[i], NULL);
	vm->running->nics[i] = gone;
}

static int place_nic(struct vm *vm, const Holdfast__Nic *nic, size_t *place)
{
	Holdfast__Vm *running = vm->running;
	Holdfast__Nic *copy = (Holdfast__Nic *)proto_copy(&nic->base);
	size_t i = 0;
	while (i < running->n_nics && qemu_nic_there(running, i))
		i++;
	if (copy && i == running->n_nics) {
		Holdfast__Nic **more = reallocarray(running->nics, i + 1, sizeof(*more));
		if (!more) {
			holdfast__nic__free_unpacked(copy, NULL);
			return -1;
		}
		running->nics = more;
		running->n_nics++;
	} else if (copy) {
		holdfast__nic__free_unpacked(running->nics[i], NULL);
	}
	if (!copy)
		return -1;
	running->nics[i] = copy;
	*place = i;
	return 0;
}

static int plug_nic(struct vm *vm, size_t i, struct error *err)
{
	const Holdfast__Nic *nic = vm->running->nics[i];
	cleanup_fd int tap = -1;
	bool bridged = shape_is_bridged(nic);
	if (bridged &&
		(tap_open(&group_hypervisor(vm->group)->config, nic->network, nic->mac, &tap, err) ||
			qmp_get_fd(vm->qmp, tap, TAP_NAME, err)))
		return -1;
	const struct qmp_step steps[] = {
		{ "netdev_add", qemu_nic_backend(vm->running, i, bridged ? TAP_NAME : NULL) },
		{ "device_add", qemu_nic_device(vm->running, i) },
	};
	return qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

static int add_nic(struct vm *vm, const Holdfast__Nic *nic, struct error *err)
{
	char id[QEMU_ID_BYTES];
	size_t i;
	if (place_nic(vm, nic, &i))
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	if (i >= SHAPE_NICS_MAX || !qemu_nic_pluggable(vm->running, i)) {
		empty_nic(vm, i);
		return 0;
	}
	device_id("nic", i, id);
	int failed = hotplug_set_unsure(vm, id, err);
	if (!failed && plug_nic(vm, i, err)) {
		clear_nic(vm, i);
		failed = -1;
	}
	if (failed)
		empty_nic(vm, i);
	hotplug_set_sure(vm, id);
	return failed ? error_prefix(err, "NIC on network %s", nic->network) : 0;
}

static int remove_nic(struct vm *vm, size_t i, struct error *err)
{
	char id[QEMU_ID_BYTES], what[100];
	device_id("nic", i, id);
	snprintf(what, sizeof(what), "the NIC on network %.63s", vm->running->nics[i]->network);
	if (!qemu_nic_pluggable(vm->running, i))
		return error_set(err, ERROR_UNSAFE,
			"VM %s: %s is at a place that it cannot be taken out of while the guest runs: stop "
			"the VM "
			"first",
			vm->name, what);
	if (hotplug_set_unsure(vm, id, err))
		return -1;
	if (take_out(vm, id, what, err))
		return -1;
	clear_nic(vm, i);
	empty_nic(vm, i);
	hotplug_set_sure(vm, id);
	return 0;
}

// ---- all of them

int hotplug_remove_devices(struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	Holdfast__Vm *running = vm->running;
	for (size_t i = 0; i < running->n_disks; i++)
		if (qemu_disk_there(running, i) && !pending_disk_in(wanted, running->disks[i]) &&
			remove_disk(vm, i, err))
			return -1;
	for (size_t i = 0; i < running->n_nics; i++)
		if (qemu_nic_there(running, i) && !pending_nic_in(wanted, running->nics[i]) &&
			remove_nic(vm, i, err))
			return -1;
	return 0;
}

int hotplug_add_devices(struct vm *vm, struct error *err)
{
	const Holdfast__Vm *wanted = vm->wanted;
	for (size_t i = 0; i < wanted->n_disks; i++)
		if (!pending_disk_in(vm->running, wanted->disks[i]) && add_disk(vm, wanted->disks[i], err))
			return -1;
	for (size_t i = 0; i < wanted->n_nics; i++)
		if (!pending_nic_in(vm->running, wanted->nics[i]) && add_nic(vm, wanted->nics[i], err))
			return -1;
	return 0;
}

static void settle_one(struct vm *vm, const char *id, bool there)
{
	size_t i;
	if (sscanf(id, "cd%zu", &i) == 1)
		hotplug_settle_cdrom(vm, i);
	else if (there)
		return;
	if (sscanf(id, "vdisk%zu", &i) == 1 && i < vm->running->n_disks && qemu_disk_there(vm->running, i)) {
		clear_disk(vm, i);
		empty_disk(vm, i);
	} else if (sscanf(id, "nic%zu", &i) == 1 && i < vm->running->n_nics &&
		qemu_nic_there(vm->running, i)) {
		clear_nic(vm, i);
		empty_nic(vm, i);
	}
}

int hotplug_settle_devices(struct vm *vm, struct error *err)
{
	Holdfast__Plugged *plugged = vm->running->plugged;
	while (plugged->n_unsure) {
		char id[QEMU_ID_BYTES];
		bool there;
		snprintf(id, sizeof(id), "%s", plugged->unsure[0]);
		if (query_device(vm, id, &there, err))
			return -1;
		settle_one(vm, id, there);
		hotplug_set_sure(vm, id);
	}
	return 0;
}

// ---- a guest that let go after we had given up

struct late { // names, not pointers: both may be gone when the task has its turn
	struct hypervisor *hv;
	char group[64], vm[64];
};

static void settle_late(void *data)
{
	struct late *late = data;
	struct error err = ERROR_INIT;
	struct group *group = group_find(late->hv, late->group);
	if (group && !task_lock(&group->mutex, LOCK_MS, &err)) {
		struct vm *vm = group->removed ? NULL : group_vm_find(group, late->vm);
		if (vm && vm->running && vm->qmp && hotplug_settle_devices(vm, &err))
			log_warning("vm=%s %s", late->vm, err.message);
		task_unlock(&group->mutex);
	}
	free(late);
}

void hotplug_on_deleted(struct vm *vm, const char *id)
{
	struct error err = ERROR_INIT;
	bool unsure = false;
	for (size_t i = 0; id && vm->running && i < vm->running->plugged->n_unsure; i++)
		unsure |= !strcmp(vm->running->plugged->unsure[i], id);
	struct late *late = unsure ? malloc(sizeof(*late)) : NULL;
	if (!late)
		return;
	late->hv = group_hypervisor(vm->group);
	snprintf(late->group, sizeof(late->group), "%s", vm->group->name);
	snprintf(late->vm, sizeof(late->vm), "%s", vm->name);
	if (task_start(late->hv->loop, "hotplug-late", settle_late, late, &err))
		return;
	log_warning("vm=%s %s", vm->name, err.message);
	free(late);
}
