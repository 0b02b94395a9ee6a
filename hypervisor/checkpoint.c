// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint.h. Order of a take: tree (TAKING), memory and disks, tree (COMPLETE). Of an apply: tree (applying),
// QEMU's end, disks, definition, tree. Of a delete: tree (DELETING), disks, tree, memory. What is found half way: TAKING
// and DELETING are taken away, an apply is finished unless the guest lives, which means that nothing of it was done yet.
#include "hypervisor/checkpoint.h"

#include <string.h>
#include "common/cleanup.h"
#include "common/fault.h"
#include "common/log.h"
#include "hypervisor/checkpoint-disks.h"
#include "hypervisor/checkpoint-memory.h"
#include "hypervisor/checkpoint-store.h"
#include "hypervisor/clock.h"
#include "hypervisor/handlers.h"
#include "hypervisor/saved-state.h"
#include "proto/json.h"
#include "proto/text.h"

#define END_MS 20000
#define MIB ((uint64_t)1 << 20)
#define SAVE_EXTRA_MIB 8

static struct checkpoint_store store_of(const struct vm *vm, const char *directory)
{
	return (struct checkpoint_store){ directory, vm->name, vm->wanted->uuid };
}

static bool has_qcow2(const struct vm *vm)
{
	for (size_t i = 0; i < vm->definition->n_disks; i++)
		if (vm->definition->disks[i]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
			return true;
	return false;
}

static void cleanup_tree_p(Holdfast__CheckpointTree **tree)
{
	checkpoint_tree_free(*tree);
}
#define cleanup_tree __attribute__((cleanup(cleanup_tree_p)))

// Whose disks have its snapshots: with memory that is what QEMU had.
static const Holdfast__Vm *then_of(const Holdfast__CheckpointRecord *record)
{
	return record->memory && record->running ? record->running : record->wanted;
}

// ---- what was left half done

// All that is not COMPLETE goes. The tree says so last: until then it is done again.
static int take_away(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointTree *tree,
	struct error *err)
{
	for (size_t i = 0; i < tree->n_records; i++)
		if (tree->records[i]->state != HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_COMPLETE &&
			checkpoint_disks_delete(vm, then_of(tree->records[i]), tree->records[i]->id, err))
			return -1;
	fault_point("checkpoint-disks-deleted");
	if (checkpoint_prune(tree, err) || checkpoint_save(store, tree, err))
		return -1;
	fault_point("checkpoint-pruned");
	return checkpoint_sweep(store, tree, err);
}

// The definition of RECORD on the disks and under the name and wish that the VM has now.
static int put_definition(struct vm *vm, const Holdfast__CheckpointRecord *record, struct error *err)
{
	Holdfast__Vm changed = *record->wanted; // shallow: group_define copies what it takes
	changed.name = vm->wanted->name;
	changed.group = vm->wanted->group;
	changed.uuid = vm->wanted->uuid;
	changed.target = vm->wanted->target;
	return handler_put_vm(vm->group, &changed, err);
}

struct discarding { // for the worker thread
	struct saved_state state;
};

static int work_discard(void *data, struct error *err)
{
	struct discarding *discarding = data;
	return saved_discard(&discarding->state, err);
}

static int finish_apply(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointTree *tree,
	struct error *err)
{
	struct discarding discarding = { { store->directory, vm->name } };
	Holdfast__CheckpointRecord *record = checkpoint_find(tree, vm->name, tree->applying, err);
	if (!record || checkpoint_disks_apply(vm, then_of(record), record->id, err) ||
		checkpoint_put_vars(store, record->id, err))
		return -1;
	fault_point("checkpoint-applied");
	running_drop(vm);
	if (task_offload(work_discard, &discarding, err) || put_definition(vm, record, err) ||
		proto_set_text(&tree->current, record->id, err) ||
		proto_set_text(&tree->resume, record->memory ? record->id : "", err) ||
		proto_set_text(&tree->applying, "", err) || checkpoint_save(store, tree, err))
		return -1;
	fault_point("checkpoint-apply-complete");
	return 0;
}

static int settle(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointTree *tree, struct error *err)
{
	if (!checkpoint_unsettled(tree))
		return 0;
	log_info("vm=%s what was begun with its checkpoints is %s", vm->name,
		tree->applying[0] && !vm_has_process(vm) ? "finished" : "undone");
	if (tree->applying[0] && vm_has_process(vm)) {
		if (proto_set_text(&tree->applying, "", err) || checkpoint_save(store, tree, err))
			return -1;
	} else if (tree->applying[0] && finish_apply(vm, store, tree, err)) {
		return -1;
	}
	return checkpoint_unsettled(tree) ? take_away(vm, store, tree, err) : 0;
}

static Holdfast__CheckpointTree *load(struct vm *vm, const struct checkpoint_store *store, struct error *err)
{
	Holdfast__CheckpointTree *tree = NULL;
	if (!checkpoint_load(store, &tree, err) && !settle(vm, store, tree, err) && !checkpoint_sweep(store, tree, err))
		return tree;
	checkpoint_tree_free(tree);
	error_prefix(err, "the checkpoints of VM %s", vm->name);
	return NULL;
}

int checkpoint_let_go(struct vm *vm, struct error *err)
{
	if (!vm_has_process(vm) || strcmp(vm->guest.phase, RUNDIR_PHASE_CHECKPOINT))
		return 0;
	return checkpoint_memory_settle(vm, err) ? -1 : vm_phase(vm, RUNDIR_PHASE_RUNNING, err);
}

int checkpoint_settle(struct vm *vm, const char *directory, struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	if (!has_qcow2(vm))
		return 0;
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	return tree ? 0 : -1;
}

Holdfast__CheckpointTree *checkpoint_read(struct vm *vm, const char *directory, struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	return load(vm, &store, err);
}

// ---- take

// What the group's VMs need when all are saved must stay free.
static uint64_t kept_bytes(const struct group *group)
{
	uint64_t mib = 0;
	for (size_t i = 0; i < group->vm_count; i++)
		if (vm_is_up(group->vms[i]))
			mib += group->vms[i]->definition->memory_mib + SAVE_EXTRA_MIB;
	return mib * MIB;
}

static int check_take(struct vm *vm, const struct checkpoint_store *store, bool *memory, struct error *err)
{
	*memory = vm->state == HOLDFAST__VM_STATE__VM_RUNNING || vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
	if (!*memory && vm->state != HOLDFAST__VM_STATE__VM_OFF)
		return error_set(err, ERROR_BUSY, "VM %s is %s: a checkpoint can be taken while it runs, is paused or off",
			vm->name, vm_state_name(vm->state));
	if (checkpoint_disks_possible(vm->definition, err))
		return -1;
	return *memory ? checkpoint_room(store, group_spec(vm->group)->group, checkpoint_memory_bytes(vm), kept_bytes(vm->group), err) : 0;
}

// What is beside the memory: at one instant.
static int take_still(struct vm *vm, const struct checkpoint_store *store, const char *id, struct error *err)
{
	bool uefi = vm->definition->firmware == HOLDFAST__FIRMWARE__FIRMWARE_UEFI;
	return checkpoint_disks_take(vm, id, err) || (uefi && checkpoint_keep_vars(store, id, err)) ? -1 : 0;
}

struct instant {
	struct vm *vm;
	const struct checkpoint_store *store;
	const char *id;
};

static int at_instant(void *data, struct error *err)
{
	const struct instant *instant = data;
	return take_still(instant->vm, instant->store, instant->id, err);
}

static int take_memory(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointRecord *record,
	double *pause_ms, struct error *err)
{
	char path[4096];
	struct instant instant = { vm, store, record->id };
	struct checkpoint_memory memory = { .path = path, .at_instant = at_instant, .data = &instant };
	record->running = (Holdfast__Vm *)proto_copy(&vm->definition->base);
	record->memory = true;
	record->paused = vm->state == HOLDFAST__VM_STATE__VM_PAUSED;
	record->kvm = vm->kvm;
	if (!record->running)
		return error_set(err, ERROR_FAILED, "no memory for a checkpoint");
	if (checkpoint_memory_path(store, record->id, path, sizeof(path), err) ||
		checkpoint_memory_save(vm, &memory, err) ||
		proto_set_text(&record->memory_sha256, memory.sha256, err) ||
		proto_set_text(&record->qemu, qmp_version(vm->qmp), err))
		return -1;
	record->memory_bytes = memory.bytes;
	*pause_ms = memory.pause_ms;
	return 0;
}

static int take_parts(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointTree *tree,
	Holdfast__CheckpointRecord *record, bool memory, double *pause_ms, struct error *err)
{
	if (checkpoint_save(store, tree, err))
		return -1;
	fault_point("checkpoint-journalled");
	if (memory ? take_memory(vm, store, record, pause_ms, err) : take_still(vm, store, record->id, err))
		return -1;
	fault_point("checkpoint-written");
	if (checkpoint_complete(tree, record, err) || checkpoint_save(store, tree, err))
		return -1;
	fault_point("checkpoint-complete");
	return 0;
}

int checkpoint_take(struct vm *vm, const char *directory, const char *name, struct checkpoint_taken *taken,
	struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	struct error worse = ERROR_INIT;
	char now[32];
	bool memory;
	double begin_ms = loop_now_ms();
	*taken = (struct checkpoint_taken){ 0 };
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	if (!tree || check_take(vm, &store, &memory, err))
		return -1;
	clock_rfc3339(now);
	Holdfast__CheckpointRecord *record = checkpoint_add(tree, vm->wanted, name, now, err);
	if (!record)
		return -1;
	if (!take_parts(vm, &store, tree, record, memory, &taken->pause_ms, err)) {
		snprintf(taken->id, sizeof(taken->id), "%s", record->id);
		snprintf(taken->name, sizeof(taken->name), "%s", record->name);
		taken->duration_ms = loop_now_ms() - begin_ms;
		return 0;
	}
	error_prefix(err, "no checkpoint of VM %s", vm->name);
	task_uncancel(task_self());
	record->state = HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_TAKING;
	if (take_away(vm, &store, tree, &worse))
		log_warning("vm=%s what is left of a checkpoint is taken away later: %s", vm->name, worse.message);
	return -1;
}

// ---- apply

// A disk that the VM got since is taken out of it, and its volume kept; one that went comes back, if its volume is still there.
static int check_disks(
	const struct vm *vm, const Holdfast__CheckpointRecord *record, const Holdfast__Vm *then, struct error *err)
{
	for (size_t i = 0; i < then->n_disks; i++)
		if (qemu_disk_there(then, i) &&
			!checkpoint_disk_volume(group_spec(vm->group)->group, vm, then->disks[i]))
			return error_set(err, ERROR_UNSAFE,
				"the volume of disk %s of VM %s, which checkpoint %s needs, was deleted", then->disks[i]->name,
				vm->name, record->name);
	return 0;
}

static int memory_of(const struct checkpoint_store *store, const Holdfast__CheckpointRecord *record,
	struct checkpoint_memory *memory, char path[4096], struct error *err)
{
	*memory = (struct checkpoint_memory){ .path = path, .bytes = record->memory_bytes };
	snprintf(memory->sha256, sizeof(memory->sha256), "%s", record->memory_sha256);
	return checkpoint_memory_path(store, record->id, path, 4096, err);
}

static int check_apply(struct vm *vm, const struct checkpoint_store *store, const Holdfast__CheckpointRecord *record,
	struct error *err)
{
	struct checkpoint_memory memory;
	char path[4096];
	if (check_disks(vm, record, record->wanted, err) || check_disks(vm, record, then_of(record), err))
		return -1;
	if (record->memory && record->kvm != group_hypervisor(vm->group)->kvm)
		return error_set(err, ERROR_UNSAFE, "it was taken under %s, and this node runs guests with %s",
			record->kvm ? "KVM" : "TCG", record->kvm ? "TCG" : "KVM");
	if (record->memory &&
		(memory_of(store, record, &memory, path, err) || checkpoint_memory_verify(&memory, err)))
		return -1;
	return checkpoint_disks_have(vm, then_of(record), record->id, err);
}

int checkpoint_apply(
	struct vm *vm, const char *directory, const char *which, bool *memory, struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	struct error worse = ERROR_INIT;
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	Holdfast__CheckpointRecord *record = tree ? checkpoint_find(tree, vm->name, which, err) : NULL;
	if (!record)
		return -1;
	if (check_apply(vm, &store, record, err))
		return error_prefix(err, "checkpoint %s of VM %s is refused", record->name, vm->name);
	*memory = record->memory;
	if (proto_set_text(&tree->applying, record->id, err) || checkpoint_save(&store, tree, err))
		return -1;
	fault_point("checkpoint-apply-journalled");
	if (vm_end(vm, END_MS, err)) {
		if (proto_set_text(&tree->applying, "", &worse) || checkpoint_save(&store, tree, &worse))
			log_error("vm=%s %s", vm->name, worse.message);
		return -1;
	}
	fault_point("checkpoint-apply-ended");
	if (finish_apply(vm, &store, tree, err))
		return error_prefix(err, "checkpoint %s of VM %s is not applied yet, which is finished when the VM starts",
			record->name, vm->name);
	return 0;
}

// ---- delete

int checkpoint_delete(struct vm *vm, const char *directory, const char *which, enum checkpoint_extent extent,
	struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	Holdfast__CheckpointRecord *record = tree ? checkpoint_find(tree, vm->name, which, err) : NULL;
	if (!record || checkpoint_mark(tree, record, extent, err) || checkpoint_save(&store, tree, err))
		return -1;
	fault_point("checkpoint-delete-journalled");
	return take_away(vm, &store, tree, err);
}

// ---- going on with its memory

static int forget(const struct checkpoint_store *store, Holdfast__CheckpointTree *tree, struct error *err)
{
	return proto_set_text(&tree->resume, "", err) ? -1 : checkpoint_save(store, tree, err);
}

int checkpoint_forget_memory(struct vm *vm, const char *directory, struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	if (!has_qcow2(vm))
		return 0;
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	if (!tree)
		return -1;
	return tree->resume[0] ? forget(&store, tree, err) : 0;
}

// Before the guest's first instruction its memory is not asked for any more.
static int load_and_run(struct vm *vm, const struct checkpoint_store *store, Holdfast__CheckpointTree *tree,
	const Holdfast__CheckpointRecord *record, struct error *err)
{
	uint64_t bytes[QEMU_DISKS_MAX];
	struct checkpoint_memory memory;
	char path[4096];
	bool paused = record->paused;
	if (memory_of(store, record, &memory, path, err) || running_set(vm, record->running, err) ||
		vm_disk_bytes(vm, bytes, err) || vm_spawn(vm, VM_SPAWN_INCOMING, bytes, err))
		return -1;
	if (vm_attach_disks(vm, err) || checkpoint_memory_load(vm, &memory, err) || forget(store, tree, err))
		return -1;
	fault_point("checkpoint-resumed");
	return vm_continue_as(vm, paused, err);
}

int checkpoint_resume(struct vm *vm, const char *directory, struct error *err)
{
	struct checkpoint_store store = store_of(vm, directory);
	struct error worse = ERROR_INIT;
	if (!has_qcow2(vm))
		return 0;
	cleanup_tree Holdfast__CheckpointTree *tree = load(vm, &store, err);
	if (!tree)
		return -1;
	Holdfast__CheckpointRecord *record =
		tree->resume[0] ? checkpoint_find(tree, vm->name, tree->resume, err) : NULL;
	if (!record)
		return tree->resume[0] ? -1 : 0;
	if (!load_and_run(vm, &store, tree, record, err))
		return 1;
	error_prefix(err, "VM %s does not go on from checkpoint %s", vm->name, record->name);
	task_uncancel(task_self());
	if (vm_is_up(vm) && vm_end(vm, END_MS, &worse))
		log_error("vm=%s %s", vm->name, worse.message);
	if (err->code == ERROR_UNSAFE && tree->resume[0] && forget(&store, tree, &worse))
		log_error("vm=%s %s", vm->name, worse.message);
	return -1;
}

// ---- for a reply

Holdfast__CheckpointStatus *checkpoint_status(
	const Holdfast__CheckpointTree *tree, const Holdfast__CheckpointRecord *record)
{
	Holdfast__CheckpointStatus status = HOLDFAST__CHECKPOINT_STATUS__INIT;
	status.name = record->name;
	status.id = record->id;
	status.parent = record->parent;
	status.created = record->created;
	status.current = !strcmp(tree->current, record->id);
	status.size_bytes = record->memory_bytes;
	status.memory = record->memory;
	return (Holdfast__CheckpointStatus *)proto_copy(&status.base);
}
