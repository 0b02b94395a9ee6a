// SPDX-License-Identifier: GPL-3.0-or-later
// The medium in a CD-ROM drive of a running guest: out, and another one in. The record says the new one, as unsure, before QEMU hears of it; whoever
// finds it there after a crash changes the medium again. Each medium has an fd set of its own: the one of the last may linger in a paused guest.
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/hotplug.h"
#include "hypervisor/qemu-devices.h"
#include "hypervisor/vm-devices.h"
#include "hypervisor/vm-private.h"
#include "proto/text.h"

static bool is_of_drive(json_int_t set, size_t i)
{
	int first = qemu_cdrom_fdset(i, 0);
	return set >= first && set <= qemu_cdrom_fdset(i, QEMU_CDROM_FDSETS - 1) && (set - first) % SHAPE_CDROMS_MAX == 0;
}

// The fd sets of drive I, a bit each by their number.
static int query_sets(struct vm *vm, size_t i, uint32_t *used, struct error *err)
{
	json_t *sets = NULL, *set;
	size_t index;
	*used = 0;
	if (qmp_command(vm->qmp, "query-fdsets", NULL, QMP_TIMEOUT_MS, &sets, err))
		return -1;
	json_array_foreach (sets, index, set) {
		json_int_t id = json_integer_value(json_object_get(set, "fdset-id"));
		if (is_of_drive(id, i))
			*used |= 1u << (id - qemu_cdrom_fdset(i, 0)) / SHAPE_CDROMS_MAX;
	}
	json_decref(sets);
	return 0;
}

static json_t *by_drive(size_t i)
{
	char id[QEMU_ID_BYTES];
	snprintf(id, sizeof(id), "cd%zu", i);
	return json_pack("{s:s}", "id", id);
}

// Opens the drive, also one that the guest has locked, as an administrator's eject does, and empties it.
static int take_out(struct vm *vm, size_t i, uint32_t used, struct error *err)
{
	struct error ignored = ERROR_INIT;
	char node[QEMU_ID_BYTES];
	json_t *open = by_drive(i);
	json_object_set_new(open, "force", json_true());
	const struct qmp_step steps[] = {
		{ "blockdev-open-tray", open },
		{ "blockdev-remove-medium", by_drive(i) },
	};
	if (qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err))
		return -1;
	snprintf(node, sizeof(node), "cdrom%zu", i);
	// There is none in an empty drive.
	if (qmp_command(vm->qmp, "blockdev-del", json_pack("{s:s}", "node-name", node), QMP_TIMEOUT_MS, NULL, &ignored))
		log_debug("vm=%s %s", vm->name, ignored.message);
	for (size_t k = 0; k < QEMU_CDROM_FDSETS; k++)
		if ((used & 1u << k) && qmp_remove_fd(vm->qmp, qemu_cdrom_fdset(i, k), &ignored))
			log_debug("vm=%s %s", vm->name, ignored.message);
	return 0;
}

static int put_in(struct vm *vm, size_t i, int fd, uint32_t used, struct error *err)
{
	size_t k = 0;
	char node[QEMU_ID_BYTES];
	while (k < QEMU_CDROM_FDSETS && (used & 1u << k))
		k++;
	if (k == QEMU_CDROM_FDSETS)
		return error_set(err, ERROR_BUSY, "its CD-ROM was changed too often while it stood still: let it run");
	if (qmp_add_fd(vm->qmp, fd, qemu_cdrom_fdset(i, k), err))
		return -1;
	json_t *insert = by_drive(i);
	snprintf(node, sizeof(node), "cdrom%zu", i);
	json_object_set_new(insert, "node-name", json_string(node));
	const struct qmp_step steps[] = {
		{ "blockdev-add", qemu_cdrom_node(i, qemu_cdrom_fdset(i, k)) },
		{ "blockdev-insert-medium", insert },
	};
	return qmp_batch(vm->qmp, steps, 2, QMP_TIMEOUT_MS, err);
}

static int swap(struct vm *vm, size_t i, const char *path, struct error *err)
{
	cleanup_fd int fd = -1;
	uint32_t used;
	if ((path[0] && vm_cdrom_open(vm->name, path, &fd, err)) || query_sets(vm, i, &used, err) ||
		take_out(vm, i, used, err))
		return -1;
	fault_point("cdrom:out");
	if (fd >= 0 && put_in(vm, i, fd, used, err))
		return -1;
	return qmp_command(vm->qmp, "blockdev-close-tray", by_drive(i), QMP_TIMEOUT_MS, NULL, err);
}

static int set_path(struct vm *vm, size_t i, const char *path, struct error *err)
{
	return proto_set_text(&vm->running->cdroms[i]->path, path, err);
}

// What is not there any more cannot be put back: then the drive stays empty, and the medium pending.
static void give_up(struct vm *vm, size_t i)
{
	struct error err = ERROR_INIT;
	if (swap(vm, i, "", &err) || set_path(vm, i, "", &err))
		log_warning("vm=%s CD-ROM drive %zu: %s", vm->name, i, err.message);
}

static int change(struct vm *vm, size_t i, const char *path, struct error *err)
{
	cleanup_free char *before = strdup(vm->running->cdroms[i]->path);
	cleanup_fd int readable = -1;
	char id[QEMU_ID_BYTES];
	snprintf(id, sizeof(id), "cd%zu", i);
	if (!before)
		return error_set(err, ERROR_FAILED, "no memory for VM %s", vm->name);
	// Looked at before the old one is out.
	if (path[0] && vm_cdrom_open(vm->name, path, &readable, err))
		return -1;
	if (set_path(vm, i, path, err) || hotplug_set_unsure(vm, id, err))
		return -1;
	int failed = swap(vm, i, path, err);
	if (failed) {
		struct error ignored = ERROR_INIT;
		if (swap(vm, i, before, &ignored) || set_path(vm, i, before, &ignored))
			give_up(vm, i);
	}
	hotplug_set_sure(vm, id);
	return failed ? error_prefix(err, "VM %s: CD-ROM drive %zu", vm->name, i) : 0;
}

int hotplug_cdroms(struct vm *vm, struct error *err)
{
	const Holdfast__Vm *wanted = vm->wanted;
	for (size_t i = 0; i < wanted->n_cdroms && i < vm->running->n_cdroms; i++)
		if (strcmp(wanted->cdroms[i]->path, vm->running->cdroms[i]->path) &&
			change(vm, i, wanted->cdroms[i]->path, err))
			return -1;
	return 0;
}

int hotplug_check_cdroms(const struct vm *vm, const Holdfast__Vm *wanted, struct error *err)
{
	for (size_t i = 0; i < wanted->n_cdroms && i < vm->running->n_cdroms; i++) {
		const char *path = wanted->cdroms[i]->path;
		cleanup_fd int fd = -1;
		if (path[0] && strcmp(path, vm->running->cdroms[i]->path) &&
			vm_cdrom_open(vm->name, path, &fd, err))
			return -1;
	}
	return 0;
}

void hotplug_settle_cdrom(struct vm *vm, size_t i)
{
	struct error err = ERROR_INIT;
	if (i >= vm->running->n_cdroms || !swap(vm, i, vm->running->cdroms[i]->path, &err))
		return;
	log_warning("vm=%s CD-ROM drive %zu is left empty: %s", vm->name, i, err.message);
	give_up(vm, i);
}
