// SPDX-License-Identifier: GPL-3.0-or-later
// vm create, vm delete: see group-define.h. A VM is checked against every node that may have to run it, before anything is made.
#include <glib.h>
#include <string.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/files.h"
#include "clusterd/forward.h"
#include "clusterd/group-define.h"
#include "clusterd/replicas.h"
#include "clusterd/state-grow.h"
#include "clusterd/vm-define.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/name.h"
#include "proto/control.h"
#include "proto/disk.h"
#include "proto/health.h"
#include "proto/clone.h"
#include "proto/json.h"
#include "proto/shape.h"

#define MEMORY_MOST_MIB ((uint64_t)16 << 20)
#define CPUS_MOST 255u
#define DISKS_MOST 16u
#define DISK_MOST_BYTES ((uint64_t)64 << 40)
#define RESTART_LIMIT 3u
#define RESTART_PERIOD_S 900u
#define ASK_TIMEOUT_MS 10000u

// ---- the request itself

static int check_disks(const Holdfast__Vm *vm, struct error *err)
{
	if (vm->n_disks > DISKS_MOST)
		return error_set(err, ERROR_USAGE, "VM %s has %zu disks: %u at most", vm->name, vm->n_disks,
			DISKS_MOST);
	for (size_t i = 0; i < vm->n_disks; i++) {
		const Holdfast__Disk *disk = vm->disks[i];

		if (disk->name[0] && name_check("disk", disk->name, err) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (disk->name[0] && !strcmp(disk->name, vm->disks[j]->name))
				return error_set(err, ERROR_USAGE, "VM %s has two disks named %s", vm->name,
					disk->name);
		if (disk->size_bytes == 0 || disk->size_bytes > DISK_MOST_BYTES)
			return error_set(err, ERROR_USAGE,
				"disk %zu of VM %s has no sensible size: give 1M to 64T", i + 1, vm->name);
	}
	return 0;
}

static int check_path(const char *what, const char *path, struct error *err)
{
	if (!*path || *path == '/')
		return 0;
	return error_set(
		err, ERROR_USAGE, "%s %s is no absolute path: the VM may run on other nodes", what, path);
}

int vm_check(const Holdfast__Vm *vm, struct error *err)
{
	if (name_check("VM", vm->name, err) < 0)
		return -1;
	if (vm->memory_mib == 0 || vm->memory_mib > MEMORY_MOST_MIB)
		return error_set(err, ERROR_USAGE,
			"%llu MiB of memory make no sense for VM %s: give 1 to %llu",
			(unsigned long long)vm->memory_mib, vm->name, (unsigned long long)MEMORY_MOST_MIB);
	if (vm->cpus > CPUS_MOST)
		return error_set(err, ERROR_USAGE, "%u CPUs make no sense for VM %s: give 1 to %u", vm->cpus,
			vm->name, CPUS_MOST);
	if (!*vm->kernel && (*vm->initrd || *vm->append))
		return error_set(
			err, ERROR_USAGE, "VM %s has an initrd or kernel arguments but no kernel", vm->name);
	if (check_path("kernel", vm->kernel, err) < 0 || check_path("initrd", vm->initrd, err) < 0)
		return -1;
	for (size_t i = 0; i < vm->n_serials; i++)
		if (vm->serials[i]->path[0] != '/')
			return error_set(
				err, ERROR_USAGE, "serial port %s is no absolute path", vm->serials[i]->path);
	if (control_check(vm, err) < 0 || health_check(vm, err) < 0)
		return -1;
	return check_disks(vm, err);
}

// ---- the nodes that may have to run it

static int check_memory(const struct view *view, const struct cib_group *group, const Holdfast__Vm *vm,
	const char *node, struct error *err)
{
	const struct status_host *host = status_host_of(&view->input, node);
	uint64_t need = vm->memory_mib;

	for (size_t i = 0; i < group->spec->n_vms; i++)
		if (strcmp(group->spec->vms[i]->name, vm->name))
			need += group->spec->vms[i]->memory_mib;
	if (!host || !host->status || host->status->memory_mib == 0 || need <= host->status->memory_mib)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"the VMs of group %s would need %llu MiB of memory and node %s has %llu MiB: give %s less",
		group->spec->group->name, (unsigned long long)need, node,
		(unsigned long long)host->status->memory_mib, vm->name);
}

// What its group's reserves come to, on a node where nothing else runs.
static int check_reserve(const struct view *view, const struct cib_group *group, const Holdfast__Vm *vm,
	const char *node, struct error *err)
{
	const struct status_host *host = status_host_of(&view->input, node);
	double need = control_reserved_cpus(vm);

	for (size_t i = 0; i < group->spec->n_vms; i++)
		if (strcmp(group->spec->vms[i]->name, vm->name))
			need += control_reserved_cpus(group->spec->vms[i]);
	if (!host || !host->status || host->status->cpus == 0 || need <= host->status->cpus)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"the VMs of group %s would have %.2f CPUs reserved and node %s has %u: reserve less for %s",
		group->spec->group->name, need, node, host->status->cpus, vm->name);
}

static int check_pool(const struct view *view, const Holdfast__Vm *vm, const char *node, struct error *err)
{
	const struct status_host *host = status_host_of(&view->input, node);
	uint64_t need = 0;

	for (size_t i = 0; i < vm->n_disks; i++)
		if (!vm->disks[i]->volume)
			need += disk_volume_bytes(vm->disks[i]);
	if (!need)
		return 0;
	if (!host || !host->status)
		return error_set(err, ERROR_UNREACHABLE, "the hypervisor of node %s cannot be asked: %s",
			node, host && host->reason ? host->reason : "node is offline");
	if (need <= host->status->pool_free_bytes)
		return 0;
	return error_set(err, ERROR_NO_SPACE,
		"the disks of VM %s need %llu MiB and the pool on node %s has %llu MiB free", vm->name,
		(unsigned long long)(need >> 20), node,
		(unsigned long long)(host->status->pool_free_bytes >> 20));
}

// A node that cannot be asked now is checked when the VM is started there.
static int check_networks(
	const struct view *view, const Holdfast__Vm *vm, const char *node, struct error *err)
{
	const struct status_host *host = status_host_of(&view->input, node);

	for (size_t i = 0; host && host->status && i < vm->n_nics; i++) {
		const char *network = vm->nics[i]->network;
		bool there = !shape_is_bridged(vm->nics[i]);

		for (size_t k = 0; k < host->status->n_networks; k++)
			there |= !strcmp(host->status->networks[k], network);
		if (!there)
			return error_set(err, ERROR_NOT_FOUND,
				"node %s, a possible owner, has no network %.63s: put [network %.63s] with "
				"bridge= into its configuration and bring the bridge up, or use another",
				node, network, network);
	}
	return 0;
}

int vm_check_nodes(
	struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err)
{
	const Holdfast__Group *definition = group->spec->group;
	g_autoptr(GPtrArray) ask = g_ptr_array_new();

	for (size_t i = 0; i < vm->n_disks; i++)
		if (disk_check(vm->disks[i], definition->storage, err) < 0)
			return error_prefix(err, "VM %s", vm->name);
	for (size_t i = 0; i < definition->n_possible; i++)
		g_ptr_array_add(ask, definition->possible[i]);
	g_ptr_array_add(ask, NULL);
	cleanup_view struct view *view = view_take_hosts_to_decide(cd, (const char *const *)ask->pdata);
	for (size_t i = 0; i < definition->n_possible; i++) {
		const char *node = definition->possible[i];

		if (check_memory(view, group, vm, node, err) < 0 ||
			check_reserve(view, group, vm, node, err) < 0)
			return -1;
		if (definition->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD &&
			check_pool(view, vm, node, err) < 0)
			return -1;
		if (check_networks(view, vm, node, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < definition->n_possible; i++)
		if (status_node_online(&view->input, definition->possible[i]) &&
			files_check_vm(cd, definition->possible[i], vm, ASK_TIMEOUT_MS, err) < 0)
			return -1;
	return 0;
}

// ---- the definition

void vm_name_disk(const Holdfast__Group *group, const Holdfast__Vm *vm, size_t i)
{
	Holdfast__Disk *disk = vm->disks[i];
	char name[64];

	disk_name_new(group, vm, i, name);
	if (!strcmp(disk->name, name))
		return;
	if (disk->name != protobuf_c_empty_string)
		free(disk->name);
	disk->name = g_strdup(name);
}

int vm_add_volume(const struct cib_snapshot *cib, Holdfast__Group *group, const Holdfast__Vm *vm,
	Holdfast__Disk *disk, struct error *err)
{
	g_autoptr(GPtrArray) groups = g_ptr_array_new();
	Holdfast__Volume *volume = g_new0(Holdfast__Volume, 1);
	uint32_t index = 0;

	holdfast__volume__init(volume);
	for (size_t i = 0; i < group->n_volumes; i++)
		index = group->volumes[i]->index >= index ? group->volumes[i]->index + 1 : index;
	volume->index = index;
	volume->size_bytes = disk_volume_bytes(disk);
	volume->thin = disk_is_thin(disk, group->storage);
	volume->name = g_strdup_printf("%s.%s", vm->name, disk->name);
	group->volumes = g_renew(Holdfast__Volume *, group->volumes, group->n_volumes + 1);
	group->volumes[group->n_volumes++] = volume;
	disk->volume = index;
	if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return 0;
	// The minors of all groups, and those that this VM's other disks have just got.
	for (size_t i = 0; i < cib->group_count; i++)
		if (strcmp(cib->groups[i].spec->group->name, group->name))
			g_ptr_array_add(groups, cib->groups[i].spec->group);
	g_autofree uint32_t *taken = g_new0(uint32_t, group->n_volumes);
	for (size_t i = 0; i + 1 < group->n_volumes; i++)
		taken[i] = group->volumes[i]->minor;
	const struct allocate_world world = { .groups = (const Holdfast__Group *const *)groups->pdata,
		.group_count = groups->len };
	return allocate_minor(&world, taken, group->n_volumes - 1, &volume->minor, err);
}

static const Holdfast__Vm *mac_owner(
	const struct cib_snapshot *cib, const Holdfast__Vm *besides, const char *mac)
{
	for (size_t i = 0; i < cib->group_count; i++)
		for (size_t k = 0; k < cib->groups[i].spec->n_vms; k++) {
			const Holdfast__Vm *vm = cib->groups[i].spec->vms[k];

			if (strcmp(vm->name, besides->name) && shape_has_mac(vm, mac))
				return vm;
		}
	return NULL;
}

int vm_fill_nics(const struct cib_snapshot *cib, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->n_nics; i++) {
		Holdfast__Nic *nic = vm->nics[i];
		const Holdfast__Vm *other = nic->mac[0] ? mac_owner(cib, vm, nic->mac) : NULL;
		char mac[SHAPE_MAC_BYTES];

		if (other)
			return error_set(err, ERROR_EXISTS, "VM %s has the MAC address %.17s already",
				other->name, nic->mac);
		if (nic->mac[0])
			continue;
		do
			shape_mac(g_random_int(), mac);
		while (mac_owner(cib, vm, mac) || shape_has_mac(vm, mac));
		nic->mac = g_strdup(mac);
	}
	return 0;
}

static void fill_defaults(const struct cib_group *group, Holdfast__Vm *vm)
{
	if (!vm->cpus)
		vm->cpus = 1;
	if (!vm->restart_limit)
		vm->restart_limit = RESTART_LIMIT;
	if (!vm->restart_period_s)
		vm->restart_period_s = RESTART_PERIOD_S;
	if (!vm->uuid[0])
		vm->uuid = g_uuid_string_random();
	// In a group that runs already it is started by hand; else it starts with its group.
	vm->target =
		group->active_on[0] ? HOLDFAST__VM_TARGET__TARGET_OFF : HOLDFAST__VM_TARGET__TARGET_RUNNING;
}

static Holdfast__GroupSpec *spec_with(const struct cib_snapshot *cib, const struct cib_group *group,
	const Holdfast__Vm *wish, struct error *err)
{
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	Holdfast__Vm *vm = (Holdfast__Vm *)proto_copy(&wish->base);

	spec->vms = g_renew(Holdfast__Vm *, spec->vms, spec->n_vms + 1);
	spec->vms[spec->n_vms++] = vm;
	fill_defaults(group, vm);
	if (!vm->cpu_model[0] && vm->bits != 32 && cib->cpu_model)
		vm->cpu_model = g_strdup(cib->cpu_model);
	if (shape_fill(vm, err) < 0 || shape_check(vm, err) < 0 || vm_fill_nics(cib, vm, err) < 0) {
		holdfast__group_spec__free_unpacked(spec, NULL);
		return NULL;
	}
	for (size_t i = 0; i < vm->n_disks; i++) {
		Holdfast__Disk *disk = vm->disks[i];

		vm_name_disk(spec->group, vm, i);
		disk->size_bytes = allocate_round_up(disk->size_bytes);
		if (vm_add_volume(cib, spec->group, vm, disk, err) < 0) {
			holdfast__group_spec__free_unpacked(spec, NULL);
			return NULL;
		}
	}
	return spec;
}

uint32_t vm_next_volume(const Holdfast__Group *group)
{
	uint32_t next = 0;

	for (size_t i = 0; i < group->n_volumes; i++)
		next = group->volumes[i]->index >= next ? group->volumes[i]->index + 1 : next;
	return next;
}

int vm_tell_owner(
	struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err)
{
	const char *owner = status_owner(group);
	Holdfast__Request request = RPC_REQUEST_INIT;

	if (!owner)
		return 0;
	request.body_case = HOLDFAST__REQUEST__BODY_HOST_VM_UPDATE;
	request.host_vm_update = (Holdfast__Vm *)vm;
	return host_call(cd, owner, &request, ASK_TIMEOUT_MS, NULL, NULL, NULL, err);
}

static void undo(struct clusterd *cd, struct rpc_call *call, const Holdfast__GroupSpec *before)
{
	struct error err = ERROR_INIT;

	task_uncancel(task_self());
	if (replicas_apply(cd, call, before, UINT32_MAX, &err) < 0)
		log_warning("undoing a change of group %s: %s", before->group->name, err.message);
}

static int apply_and_record(struct clusterd *cd, struct rpc_call *call, const struct cib_group *group,
	const Holdfast__GroupSpec *spec, struct error *err)
{
	const Holdfast__Vm *vm = spec->vms[spec->n_vms - 1];

	if (vm->n_disks && replicas_apply(cd, call, spec, vm_next_volume(group->spec->group), err) < 0)
		goto undo;
	if (cib_link_do(cd->cib, err, cib_update_group(cib, spec, err)) < 0)
		goto undo;
	return vm_tell_owner(cd, group, vm, err);
undo:
	if (vm->n_disks)
		undo(cd, call, group->spec);
	return -1;
}

int vm_define(struct clusterd *cd, struct rpc_call *call, const Holdfast__Vm *vm, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);

	if (!snapshot)
		return -1;
	if (!vm)
		return error_set(err, ERROR_PROTOCOL, "a vm create without a VM");
	if (cib_snapshot_vm(snapshot->cib, vm->name))
		return error_set(err, ERROR_EXISTS, "VM %s exists already", vm->name);
	for (size_t i = 0; i < vm->n_disks; i++)
		if (vm->disks[i]->volume)
			return error_set(err, ERROR_USAGE, "a new VM has no volumes: disk %s comes with one",
				vm->disks[i]->name);
	if (vm_check(vm, err) < 0)
		return -1;
	const struct cib_group *group = cib_snapshot_group(snapshot->cib, vm->group);
	if (!group)
		return error_set(err, ERROR_NOT_FOUND, "there is no group %.80s: see 'holdfast group list'",
			vm->group);
	if (vm_check_nodes(cd, group, vm, err) < 0 || replicas_need_all(cd, group->spec->group, err) < 0)
		return -1;
	Holdfast__GroupSpec *spec = spec_with(snapshot->cib, group, vm, err);
	if (!spec)
		return -1;
	int result = state_grow(cd, call, group, spec, err);
	if (result == 0)
		result = apply_and_record(cd, call, group, spec, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}

// ---- vm delete

static Holdfast__GroupSpec *spec_without(const struct cib_group *group, const Holdfast__Vm *vm)
{
	Holdfast__GroupSpec *spec = (Holdfast__GroupSpec *)proto_copy(&group->spec->base);
	size_t kept = 0;

	for (size_t i = 0; i < spec->group->n_volumes; i++) {
		Holdfast__Volume *volume = spec->group->volumes[i];

		if (disk_volume_is_named_for(volume, vm->name))
			holdfast__volume__free_unpacked(volume, NULL);
		else
			spec->group->volumes[kept++] = volume;
	}
	spec->group->n_volumes = kept;
	kept = 0;
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (strcmp(spec->vms[i]->name, vm->name))
			spec->vms[kept++] = spec->vms[i];
		else
			holdfast__vm__free_unpacked(spec->vms[i], NULL);
	}
	spec->n_vms = kept;
	return spec;
}

int vm_check_off(
	struct clusterd *cd, const struct cib_group *group, const Holdfast__Vm *vm, struct error *err)
{
	const char *owner = status_owner(group);
	const char *const ask[] = { owner, NULL };

	if (!owner)
		return 0;
	cleanup_view struct view *view = view_take_hosts_to_decide(cd, ask);
	Holdfast__VmStatus *status = status_vm(&view->input, group, vm);
	bool off = status->state == HOLDFAST__VM_STATE__VM_OFF && !status->reason[0];
	holdfast__vm_status__free_unpacked(status, NULL);
	return off
		? 0
		: error_set(err, ERROR_UNSAFE, "VM %s is not off: stop it first with 'holdfast vm stop %s'",
			  vm->name, vm->name);
}

int vm_undefine(struct clusterd *cd, struct rpc_call *call, const char *name, struct error *err)
{
	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	const Holdfast__Vm *vm = snapshot ? cib_snapshot_vm(snapshot->cib, name) : NULL;

	if (!snapshot)
		return -1;
	if (!vm)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.80s: see 'holdfast vm list'", name);
	const struct cib_group *group = cib_snapshot_group(snapshot->cib, vm->group);
	if (!group)
		return error_set(err, ERROR_FAILED, "VM %s belongs to group %s, which does not exist", name,
			vm->group);
	if (vm_check_off(cd, group, vm, err) < 0 || replicas_need_all(cd, group->spec->group, err) < 0)
		return -1;
	if (clone_user(group->spec, name))
		return error_set(err, ERROR_BUSY,
			"the disks of VM %s lie over those of template %s: delete it first",
			clone_user(group->spec, name), name);
	Holdfast__GroupSpec *spec = spec_without(group, vm);
	int result = cib_link_do(cd->cib, err, cib_update_group(cib, spec, err));
	if (result == 0)
		result = replicas_apply(cd, call, spec, UINT32_MAX, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	return result;
}
