// SPDX-License-Identifier: GPL-3.0-or-later
// Makes groups and VMs on a single machine: what the administrator left open is filled in, and nothing is left behind when it fails.
#include "hypervisor/standalone-define.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "common/log.h"
#include "common/name.h"
#include "hypervisor/clock.h"
#include "hypervisor/disk-volume.h"
#include "hypervisor/disk-work.h"
#include "hypervisor/file-check.h"
#include "hypervisor/restart-limit.h"
#include "hypervisor/tap.h"
#include "proto/disk.h"
#include "proto/clone.h"
#include "proto/json.h"
#include "proto/shape.h"
#include "proto/text.h"

#define MIB ((uint64_t)1 << 20)
#define STATE_BYTES (256 * MIB)
#define DISK_MOST_BYTES ((uint64_t)1 << 50)

static Holdfast__Volume *add_volume(Holdfast__Group *group, const char *name, uint32_t index, uint64_t bytes)
{
	Holdfast__Volume **more = reallocarray(group->volumes, group->n_volumes + 1, sizeof(*more));
	Holdfast__Volume *volume = malloc(sizeof(*volume));
	if (more)
		group->volumes = more;
	if (!more || !volume) {
		free(volume);
		return NULL;
	}
	holdfast__volume__init(volume);
	volume->name = strdup(name);
	volume->index = index;
	volume->size_bytes = bytes;
	group->volumes[group->n_volumes++] = volume;
	return volume;
}

// ---- groups

static int fill_group(struct hypervisor *hv, Holdfast__Group *group, struct error *err)
{
	char now[32];
	if (name_check("group", group->name, err))
		return -1;
	// drbd is the field's default: it is what nobody asked for here.
	group->storage = HOLDFAST__STORAGE_KIND__STORAGE_FILE;
	if (group->n_replicas)
		return error_set(err, ERROR_USAGE,
			"a stand-alone machine has no replicas; make a cluster for that (holdfast cluster "
			"init)");
	for (size_t i = 0; i < group->n_possible; i++)
		if (strcmp(group->possible[i], hv->config.node))
			return error_set(err, ERROR_USAGE,
				"node %.63s is not known: this is the stand-alone machine %s",
				group->possible[i], hv->config.node);
	if (!group->n_possible) {
		group->possible = calloc(1, sizeof(*group->possible));
		if (!group->possible || !(group->possible[0] = strdup(hv->config.node)))
			return error_set(err, ERROR_FAILED, "no memory for a definition");
		group->n_possible = 1;
	}
	clock_rfc3339(now);
	if (!group->n_volumes && !add_volume(group, "state", 0, STATE_BYTES))
		return error_set(err, ERROR_FAILED, "no memory for a definition");
	return proto_set_text(&group->created, now, err);
}

int standalone_create_group(
	struct hypervisor *hv, const Holdfast__Group *wish, uint64_t state_bytes, struct error *err)
{
	Holdfast__GroupSpec spec = HOLDFAST__GROUP_SPEC__INIT;
	Holdfast__Group *definition = (Holdfast__Group *)proto_copy(&wish->base);
	struct error ignored = ERROR_INIT;
	int failed = definition ? 0 : error_set(err, ERROR_FAILED, "no memory for a definition");
	if (!failed && group_find(hv, wish->name))
		failed = error_set(err, ERROR_EXISTS, "there is a group %s already", wish->name);
	if (!failed)
		failed = fill_group(hv, definition, err);
	if (!failed && state_bytes)
		definition->volumes[0]->size_bytes = state_bytes;
	spec.group = definition;
	struct group *group = failed ? NULL : group_adopt(hv, &spec, err);
	if (!group || storage_apply(hv->storage, definition, hv->config.node, err) ||
		standalone_keep(group, err)) {
		failed = -1;
		if (group &&
			(group_forget(group, &ignored) || standalone_forget(hv, definition->name, &ignored)))
			log_error(
				"group=%s after a create that failed: %s", definition->name, ignored.message);
	}
	if (definition)
		holdfast__group__free_unpacked(definition, NULL);
	return failed;
}

// ---- VMs

static int random_uuid(char *text, size_t size, struct error *err)
{
	uint8_t r[16];
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return error_set(err, ERROR_FAILED, "no random numbers");
	snprintf(text, size, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-%01x%01x%02x-%02x%02x%02x%02x%02x%02x", r[0],
		r[1], r[2], r[3], r[4], r[5], r[6] & 15, r[7], 8 + (r[8] & 3), r[8] >> 4, r[9], r[10], r[11],
		r[12], r[13], r[14], r[15]);
	return 0;
}

static const Holdfast__Vm *mac_owner(struct hypervisor *hv, const Holdfast__Vm *besides, const char *mac)
{
	for (struct group *group = hv->groups->first; group; group = group->next)
		for (size_t i = 0; !group->removed && i < group->spec->n_vms; i++)
			if (strcmp(group->spec->vms[i]->name, besides->name) &&
				shape_has_mac(group->spec->vms[i], mac))
				return group->spec->vms[i];
	return NULL;
}

static int fill_nics(struct hypervisor *hv, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_nics; i++) {
		char mac[SHAPE_MAC_BYTES];
		uint32_t random;
		if (vm->nics[i]->mac[0]) {
			const Holdfast__Vm *other = mac_owner(hv, vm, vm->nics[i]->mac);
			if (!other)
				continue;
			return error_set(err, ERROR_EXISTS, "VM %s has the MAC address %.17s already",
				other->name, vm->nics[i]->mac);
		}
		do {
			if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
				return error_set(err, ERROR_FAILED, "no random numbers");
			shape_mac(random, mac);
		} while (mac_owner(hv, vm, mac) || shape_has_mac(vm, mac));
		if (proto_set_text(&vm->nics[i]->mac, mac, err))
			return -1;
	}
	return 0;
}

// Disks without a volume get one.
static int fill_disks(Holdfast__GroupSpec *spec, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_disks; i++) {
		Holdfast__Disk *disk = vm->disks[i];
		char name[140];
		uint32_t index = 1;
		if (disk->volume)
			continue;
		if (disk->name[0] && name_check("disk", disk->name, err))
			return -1;
		disk_name_new(spec->group, vm, i, name);
		if (proto_set_text(&disk->name, name, err))
			return -1;
		if (disk->size_bytes == 0 || disk->size_bytes > DISK_MOST_BYTES)
			return error_set(err, ERROR_USAGE,
				"disk %s of VM %s cannot have %" PRIu64 " bytes: give it 1 MiB or more",
				disk->name, vm->name, disk->size_bytes);
		disk->size_bytes = (disk->size_bytes + MIB - 1) / MIB * MIB;
		for (size_t k = 0; k < spec->group->n_volumes; k++)
			if (spec->group->volumes[k]->index >= index)
				index = spec->group->volumes[k]->index + 1;
		disk->volume = index;
		snprintf(name, sizeof(name), "%s.%s", vm->name, disk->name);
		Holdfast__Volume *volume = add_volume(spec->group, name, index, disk_volume_bytes(disk));
		if (!volume)
			return error_set(err, ERROR_FAILED, "no memory for a definition");
		volume->thin = disk_is_thin(disk, spec->group->storage);
		if (disk_check(disk, spec->group->storage, err))
			return error_prefix(err, "VM %s", vm->name);
	}
	return 0;
}

int standalone_fill_parts(
	struct hypervisor *hv, Holdfast__GroupSpec *spec, Holdfast__Vm *vm, struct error *err)
{
	if (shape_fill(vm, err) || fill_nics(hv, vm, err))
		return -1;
	return fill_disks(spec, vm, err);
}

static int fill_vm(const struct group *group, Holdfast__GroupSpec *spec, Holdfast__Vm *vm, struct error *err)
{
	char text[48];
	if (name_check("VM", vm->name, err))
		return -1;
	if (!vm->cpus)
		vm->cpus = 1;
	if (!vm->restart_limit)
		vm->restart_limit = RESTART_LIMIT_DEFAULT;
	if (!vm->restart_period_s)
		vm->restart_period_s = RESTART_PERIOD_DEFAULT_S;
	if (!vm->uuid[0] && (random_uuid(text, sizeof(text), err) || proto_set_text(&vm->uuid, text, err)))
		return -1;
	for (size_t i = 0; i < vm->n_disks; i++)
		vm->disks[i]->volume = 0;
	// In a group that is online it is started by hand; else it starts with its group.
	vm->target = group_wanted(group) == WANTED_STARTED ? HOLDFAST__VM_TARGET__TARGET_OFF
							   : HOLDFAST__VM_TARGET__TARGET_RUNNING;
	return standalone_fill_parts(group->hv, spec, vm, err);
}

static int add_vm(Holdfast__GroupSpec *spec, const Holdfast__Vm *wish, struct error *err)
{
	Holdfast__Vm **more = reallocarray(spec->vms, spec->n_vms + 1, sizeof(*more));
	if (more)
		spec->vms = more;
	Holdfast__Vm *vm = more ? (Holdfast__Vm *)proto_copy(&wish->base) : NULL;
	if (!vm)
		return error_set(err, ERROR_FAILED, "no memory for a definition");
	spec->vms[spec->n_vms++] = vm;
	return 0;
}

int standalone_take_over(struct group *group, const Holdfast__GroupSpec *spec, struct error *err)
{
	struct hypervisor *hv = group->hv;
	Holdfast__GroupSpec *before = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (!before)
		return error_set(err, ERROR_FAILED, "no memory for a definition");
	int failed = 0;
	if (group_define(group, spec, err) || storage_apply(hv->storage, spec->group, hv->config.node, err) ||
		standalone_keep(group, err)) {
		struct error ignored = ERROR_INIT;
		failed = -1;
		if (group_define(group, before, &ignored) || standalone_keep(group, &ignored))
			log_error("group=%s after a change that failed: %s", group->name, ignored.message);
	}
	holdfast__group_spec__free_unpacked(before, NULL);
	return failed;
}

int standalone_check_vm(const struct group *group, const Holdfast__Vm *vm, struct error *err)
{
	return qemu_definition_check(vm, err) || tap_check(&group->hv->config, vm, err) ||
			group_admit_ever(group->hv, vm, err) ||
			file_check_parents(group->hv, vm, err)
		? -1
		: 0;
}

int standalone_create_vm(struct group *group, const Holdfast__Vm *wish, struct error *err)
{
	struct vm *there = groups_vm_find(group->hv, wish->name);
	if (there)
		return error_set(err, ERROR_EXISTS, "there is a VM %s already, in group %s", wish->name,
			there->group->name);
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (!spec)
		return error_set(err, ERROR_FAILED, "no memory for a definition");
	int failed = add_vm(spec, wish, err);
	if (!failed)
		failed = fill_vm(group, spec, spec->vms[spec->n_vms - 1], err);
	if (!failed)
		failed = standalone_check_vm(group, spec->vms[spec->n_vms - 1], err);
	if (!failed)
		failed = standalone_take_over(group, spec, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}

void standalone_remove_volume(Holdfast__Group *group, uint32_t index)
{
	for (size_t i = 0; i < group->n_volumes; i++) {
		if (group->volumes[i]->index != index)
			continue;
		holdfast__volume__free_unpacked(group->volumes[i], NULL);
		group->n_volumes--;
		memmove(group->volumes + i, group->volumes + i + 1,
			(group->n_volumes - i) * sizeof(group->volumes[0]));
		return;
	}
}

int standalone_delete_volume(struct group *group, const char *name, struct error *err)
{
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	const Holdfast__Volume *volume = spec ? disk_volume_find(spec->group, name) : NULL;
	int failed = -1;
	if (!volume)
		error_set(err, spec ? ERROR_NOT_FOUND : ERROR_FAILED, "no volume %.130s in group %s", name, group->name);
	else
		failed = disk_check_detached(spec, volume, err);
	if (!failed) {
		standalone_remove_volume(spec->group, volume->index);
		failed = standalone_take_over(group, spec, err);
	}
	if (spec)
		holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}

int standalone_delete_vm(struct group *group, const char *name, struct error *err)
{
	struct vm *vm = group_vm_find(group, name);
	if (vm_is_up(vm))
		return error_set(
			err, ERROR_BUSY, "VM %s is %s: stop it first", name, vm_state_name(vm->state));
	if (disk_work_on(group, name))
		return error_set(err, ERROR_BUSY, "the disks of VM %s are in use: %s is going on", name,
			disk_work_on(group, name));
	if (clone_user(group->spec, name))
		return error_set(err, ERROR_BUSY, "the disks of VM %s lie over those of template %s: delete it first",
			clone_user(group->spec, name), name);
	if (rundir_guest_remove(&group->hv->run, name, err))
		return -1;
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	if (!spec)
		return error_set(err, ERROR_FAILED, "no memory for a definition");
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (strcmp(spec->vms[i]->name, name))
			continue;
		for (size_t k = spec->group->n_volumes; k > 0; k--)
			if (disk_volume_is_named_for(spec->group->volumes[k - 1], name))
				standalone_remove_volume(spec->group, spec->group->volumes[k - 1]->index);
		holdfast__vm__free_unpacked(spec->vms[i], NULL);
		spec->n_vms--;
		memmove(spec->vms + i, spec->vms + i + 1, (spec->n_vms - i) * sizeof(spec->vms[0]));
		break;
	}
	int failed = standalone_take_over(group, spec, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return failed;
}
