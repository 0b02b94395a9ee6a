// SPDX-License-Identifier: GPL-3.0-or-later
// The hand-over of a guest's disks: real ones in place of HOLD and back, as descriptors, under a QEMU that does not notice. A volume is let go
// only when /proc shows that QEMU has it open no more. Knows no DRBD: storage/ opens the volumes.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "hypervisor/disk-format.h"
#include "hypervisor/disk-volume.h"
#include "hypervisor/vm-private.h"
#include "hypervisor/vm-uefi.h"

#define PASSED_MAX (2 * QEMU_DISKS_MAX + 1) // parents and UEFI's variables too
#define CLOSE_TRIES 20
#define CLOSE_PAUSE_MS 10
#define STEPS_EACH 6 // QMP commands that a disk takes at most

static json_t *node_name(const char *kind, size_t i)
{
	char name[32];
	snprintf(name, sizeof(name), "%.8s%zu", kind, i);
	return json_pack("{s:s}", "node-name", name);
}

static json_t *reopen(size_t i, const char *below)
{
	return json_pack("{s:[o]}", "options", qemu_disk_node(i, below));
}

static bool has_disk(const struct vm *vm, size_t i)
{
	return qemu_disk_there(vm->definition, i);
}

static bool is_qcow2(const struct vm *vm, size_t i)
{
	return vm->definition->disks[i]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
}

static bool has_parent(const struct vm *vm, size_t i)
{
	return vm->definition->disks[i]->parent[0];
}

// Which of its nodes each disk has, as masks.
struct nodes {
	uint32_t hold, real, qcow;
};

static void note_node(struct nodes *nodes, const char *name)
{
	struct {
		const char *kind;
		uint32_t *mask;
	} kinds[] = { { "hold", &nodes->hold }, { "real", &nodes->real }, { "qcow", &nodes->qcow } };
	unsigned long i = name && strlen(name) > 4 ? strtoul(name + 4, NULL, 10) : QEMU_DISKS_MAX;
	for (size_t k = 0; i < QEMU_DISKS_MAX && k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (!strncmp(name, kinds[k].kind, 4))
			*kinds[k].mask |= 1u << i;
}

// QEMU is asked: after a failure in the middle nobody else knows.
static int query_nodes(struct vm *vm, struct nodes *nodes, struct error *err)
{
	json_t *list = NULL, *node;
	size_t index;
	*nodes = (struct nodes){ 0 };
	if (qmp_command(vm->qmp, "query-named-block-nodes", json_pack("{s:b}", "flat", 1), QMP_TIMEOUT_MS,
		    &list, err))
		return error_prefix(err, "VM %s", vm->name);
	json_array_foreach (list, index, node)
		note_node(nodes, json_string_value(json_object_get(node, "node-name")));
	json_decref(list);
	return 0;
}

// The nodes there are now.
static int find_nodes(struct vm *vm, struct nodes *nodes, struct error *err)
{
	uint32_t all = 0;
	for (size_t i = 0; i < vm->disk_count; i++)
		all |= has_disk(vm, i) ? 1u << i : 0;
	if (vm->disks == VM_DISKS_HOLD) {
		*nodes = (struct nodes){ .hold = all };
		return 0;
	}
	return query_nodes(vm, nodes, err);
}

// ---- in

struct passed {
	int fd; // ours, until QEMU has its own
	bool device, parent_device;
	uint64_t bytes;
};

// A differencing disk's parent: opened here, checked, and shown to QEMU as a descriptor that can only be read.
static int pass_parent(struct vm *vm, size_t i, struct passed *passed, struct error *err)
{
	struct convert_image parent;
	if (disk_parent_open(group_hypervisor(vm->group), group_spec(vm->group)->group,
		    vm->definition->disks[i], &parent, err))
		return -1;
	passed->parent_device = parent.device;
	int failed = qmp_add_fd(vm->qmp, parent.fd, qemu_parent_fdset(i), err);
	close(parent.fd);
	return failed;
}

static int open_volume(struct vm *vm, size_t i, struct passed *passed, struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	const Holdfast__Disk *disk = vm->definition->disks[i];
	cleanup_fd int fd = -1;
	struct stat info;
	if (storage_open_volume(
		    group_hypervisor(vm->group)->storage, group, disk->volume, &fd, &passed->bytes, err) ||
		(is_qcow2(vm, i) && disk_format_ready(fd, disk->size_bytes, passed->bytes, err)))
		return error_prefix(err, "disk %s", disk->name);
	if (fstat(fd, &info))
		return error_set_errno(err, errno, "disk %s", disk->name);
	passed->device = S_ISBLK(info.st_mode);
	if (has_parent(vm, i) && pass_parent(vm, i, passed, err))
		return -1;
	passed->fd = steal_fd(&fd);
	return 0;
}

// From HOLD to the volume that was passed.
static size_t add_attach_steps(
	const struct vm *vm, size_t i, const struct passed *passed, struct qmp_step *steps, int *fds)
{
	size_t count = 0;
	json_t *parent = has_parent(vm, i)
		? qemu_parent_node(i, passed->parent_device, vm->definition->disks[i]->parent_format)
		: NULL;
	for (size_t k = 0; k < STEPS_EACH; k++)
		fds[k] = k == 0 ? passed->fd : -1;
	steps[count++] = (struct qmp_step){ "add-fd", json_pack("{s:i}", "fdset-id", qemu_disk_fdset(i)) };
	steps[count++] = (struct qmp_step){ "blockdev-add",
		is_qcow2(vm, i) ? qemu_qcow_node(i, passed->device, passed->bytes, parent)
				: qemu_real_node(i, passed->device) };
	steps[count++] = (struct qmp_step){ "blockdev-reopen", reopen(i, is_qcow2(vm, i) ? "qcow" : "real") };
	steps[count++] = (struct qmp_step){ "blockdev-del", node_name("hold", i) };
	return count;
}

// One that has both nodes: HOLD was put there for a move, and perhaps in place of the volume.
static size_t add_back_steps(size_t i, const struct nodes *nodes, struct qmp_step *steps)
{
	if (!(nodes->hold & (1u << i)))
		return 0;
	steps[0] =
		(struct qmp_step){ "blockdev-reopen", reopen(i, nodes->qcow & (1u << i) ? "qcow" : "real") };
	steps[1] = (struct qmp_step){ "blockdev-del", node_name("hold", i) };
	return 2;
}

static void add_drop(int fdset, struct qmp_step *steps, size_t *count)
{
	steps[(*count)++] = (struct qmp_step){ "remove-fd", json_pack("{s:i}", "fdset-id", fdset) };
}

static void add_disk_drops(const struct vm *vm, size_t i, struct qmp_step *steps, size_t *count)
{
	add_drop(qemu_disk_fdset(i), steps, count);
	if (has_parent(vm, i))
		add_drop(qemu_parent_fdset(i), steps, count);
}

// The steps that make QEMU let go of all that it was passed.
static void add_drops(const struct vm *vm, struct qmp_step *steps, size_t *count)
{
	for (size_t i = 0; i < vm->disk_count; i++)
		if (has_disk(vm, i))
			add_disk_drops(vm, i, steps, count);
	if (uefi_has(vm))
		add_drop(qemu_vars_fdset(QEMU_VARS_REAL), steps, count);
}

// QEMU keeps the descriptor that it was passed besides the one it uses, until its vcpus run and it is told to let go.
static int drop_passed(struct vm *vm, struct error *err)
{
	struct qmp_step steps[PASSED_MAX];
	size_t count = 0;
	add_drops(vm, steps, &count);
	return qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err);
}

// Of one disk, while the vcpus run; the others' are dropped by now.
static int drop_one(struct vm *vm, size_t i, struct error *err)
{
	struct qmp_step steps[2];
	size_t count = 0;
	add_disk_drops(vm, i, steps, &count);
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s", vm->name);
	vm->fds_linger = false;
	return 0;
}

static int attach_all(struct vm *vm, struct error *err)
{
	struct qmp_step steps[STEPS_EACH * QEMU_DISKS_MAX];
	int fds[STEPS_EACH * QEMU_DISKS_MAX];
	struct passed passed[QEMU_DISKS_MAX];
	struct nodes nodes;
	size_t count = 0, opened = 0;
	int result = 0;
	vm_leaving_clear(vm);
	if (!vm->disk_count || vm->disks == VM_DISKS_REAL)
		return 0;
	if (find_nodes(vm, &nodes, err))
		return -1;
	vm->disks = VM_DISKS_UNKNOWN;
	for (size_t i = 0; i < vm->disk_count && !result; i++) {
		if (!has_disk(vm, i))
			continue;
		if (nodes.real & (1u << i)) {
			for (size_t k = 0; k < STEPS_EACH; k++)
				fds[count + k] = -1;
			count += add_back_steps(i, &nodes, steps + count);
			continue;
		}
		result = open_volume(vm, i, &passed[opened], err);
		if (!result)
			count += add_attach_steps(vm, i, &passed[opened++], steps + count, fds + count);
	}
	vm->fds_linger |= opened > 0;
	// What was prepared before a failure goes in too: vm_detach_disks takes all of it out again.
	struct error batch_err = ERROR_INIT;
	if (qmp_batch_passing(vm->qmp, steps, fds, count, QMP_TIMEOUT_MS, NULL, &batch_err) && !result)
		result = error_copy(err, &batch_err);
	while (opened > 0)
		close(passed[--opened].fd);
	if (result)
		return error_prefix(err, "VM %s: its disks cannot be attached", vm->name);
	vm->disks = VM_DISKS_REAL;
	return 0;
}

int vm_attach_disk(struct vm *vm, size_t i, struct error *err)
{
	struct qmp_step steps[STEPS_EACH];
	int fds[STEPS_EACH];
	struct passed passed;
	if (open_volume(vm, i, &passed, err))
		return error_prefix(err, "VM %s", vm->name);
	size_t count = add_attach_steps(vm, i, &passed, steps, fds);
	int result = qmp_batch_passing(vm->qmp, steps, fds, count, QMP_TIMEOUT_MS, NULL, err);
	close(passed.fd);
	if (result)
		return error_prefix(
			err, "VM %s: disk %s cannot be attached", vm->name, vm->definition->disks[i]->name);
	vm->fds_linger = true;
	return vm->state == HOLDFAST__VM_STATE__VM_RUNNING ? drop_one(vm, i, err) : 0;
}

int vm_attach_disks(struct vm *vm, struct error *err)
{
	if (attach_all(vm, err))
		return -1;
	return uefi_has(vm) ? uefi_attach(vm, err) : 0;
}

static int fill_linger(struct vm *vm, struct error *err)
{
	json_t *sets = NULL, *set;
	size_t index;
	if (vm->disks != VM_DISKS_UNKNOWN)
		return 0;
	if (qmp_command(vm->qmp, "query-fdsets", NULL, QMP_TIMEOUT_MS, &sets, err))
		return error_prefix(err, "VM %s", vm->name);
	vm->fds_linger = false;
	json_array_foreach (sets, index, set) {
		json_int_t id = json_integer_value(json_object_get(set, "fdset-id"));
		if (!json_array_size(json_object_get(set, "fds")))
			continue; // there is no more than what its disk uses
		if ((id >= qemu_disk_fdset(0) && id < qemu_disk_fdset(QEMU_DISKS_MAX)) ||
			(id >= qemu_parent_fdset(0) && id < qemu_parent_fdset(QEMU_DISKS_MAX)) ||
			id == qemu_vars_fdset(QEMU_VARS_REAL))
			vm->fds_linger = true;
	}
	json_decref(sets);
	return 0;
}

int vm_disks_after_continue(struct vm *vm, struct error *err)
{
	if (fill_linger(vm, err))
		return -1;
	if (!vm->fds_linger)
		return 0;
	if (drop_passed(vm, err))
		return -1;
	vm->fds_linger = false;
	return 0;
}

// ---- out

// Lets a guest that has not run since its disks were attached run for an instant: there is no other way to make QEMU close what it was
// passed. Its disks are real and its own here, so that this is no more than a pause of its pause.
static int run_for_an_instant(struct vm *vm, struct error *err)
{
	struct qmp_step steps[PASSED_MAX + 2];
	char status[32];
	size_t count = 0;
	if (vm_query_status(vm, status, err))
		return -1;
	if (strcmp(status, "paused") && strcmp(status, "prelaunch"))
		return 0; // it cannot, and whoever wants the volumes back has to end it; the check in /proc says so
	steps[count++] = (struct qmp_step){ "cont", NULL };
	add_drops(vm, steps, &count);
	steps[count++] = (struct qmp_step){ "stop", NULL };
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s", vm->name);
	vm->fds_linger = false;
	return 0;
}

int vm_disks_prepare_leaving(struct vm *vm, struct error *err)
{
	char status[32];
	if (!vm->disk_count && !uefi_has(vm))
		return 0;
	if (fill_linger(vm, err))
		return -1;
	if (!vm->fds_linger)
		return 0;
	if (vm_query_status(vm, status, err))
		return -1;
	return strcmp(status, "running") ? run_for_an_instant(vm, err) : vm_disks_after_continue(vm, err);
}

// From the volume to HOLD; what is above the volume goes first, which writes and drops what it keeps of it.
static size_t add_detach_steps(
	const struct vm *vm, size_t i, const struct nodes *nodes, uint64_t bytes, struct qmp_step *steps)
{
	uint32_t bit = 1u << i;
	size_t count = 0;
	if (!(nodes->hold & bit))
		steps[count++] = (struct qmp_step){ "blockdev-add", qemu_hold_node(i, bytes) };
	steps[count++] = (struct qmp_step){ "blockdev-reopen", reopen(i, "hold") };
	// What is below a qcow2 node goes with it.
	steps[count++] =
		(struct qmp_step){ "blockdev-del", node_name(nodes->qcow & bit ? "qcow" : "real", i) };
	return count;
}

static size_t add_all_detach_steps(const struct vm *vm, const struct nodes *nodes,
	const uint64_t bytes[QEMU_DISKS_MAX], struct qmp_step *steps)
{
	size_t count = 0;
	for (size_t i = 0; i < vm->disk_count; i++)
		if (nodes->real & (1u << i))
			count += add_detach_steps(vm, i, nodes, bytes[i], steps + count);
	return count;
}

static int swap_to_hold(struct vm *vm, const struct nodes *nodes, struct error *err)
{
	struct qmp_step steps[STEPS_EACH * QEMU_DISKS_MAX];
	uint64_t bytes[QEMU_DISKS_MAX];
	if (vm_disk_bytes(vm, bytes, err))
		return -1;
	size_t count = add_all_detach_steps(vm, nodes, bytes, steps);
	vm->disks = VM_DISKS_UNKNOWN;
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s: its disks cannot be closed", vm->name);
	vm->disks = VM_DISKS_HOLD;
	return 0;
}

// ---- out, within a move: what can be done before the guest stands still is done before

struct vm_leaving {
	struct nodes nodes;
	uint64_t bytes[QEMU_DISKS_MAX];
};

void vm_leaving_clear(struct vm *vm)
{
	if (vm->leaving && vm->disks == VM_DISKS_REAL)
		vm->disks = VM_DISKS_UNKNOWN; // HOLD is still there, beside the real ones
	free(vm->leaving);
	vm->leaving = NULL;
}

int vm_disks_ready_to_leave(struct vm *vm, struct error *err)
{
	struct qmp_step steps[QEMU_DISKS_MAX];
	size_t count = 0;
	cleanup_free struct vm_leaving *leaving = calloc(1, sizeof(*leaving));
	if (!leaving)
		return error_set(err, ERROR_NO_SPACE, "no memory for the disks of VM %s", vm->name);
	if (!vm->disk_count || vm->disks == VM_DISKS_HOLD || vm->leaving)
		return 0;
	if (fill_linger(vm, err) || query_nodes(vm, &leaving->nodes, err) ||
		vm_disk_bytes(vm, leaving->bytes, err))
		return -1;
	for (size_t i = 0; i < vm->disk_count; i++)
		if (has_disk(vm, i) && !(leaving->nodes.real & (1u << i)))
			return 0; // vm_detach_disks will look closely
	vm->disks = VM_DISKS_REAL;
	for (size_t i = 0; i < vm->disk_count; i++) {
		uint32_t bit = 1u << i;
		if (!(leaving->nodes.real & bit) || (leaving->nodes.hold & bit))
			continue;
		steps[count++] = (struct qmp_step){ "blockdev-add", qemu_hold_node(i, leaving->bytes[i]) };
		leaving->nodes.hold |= bit;
	}
	vm->leaving = steal_ptr(leaving);
	if (qmp_batch(vm->qmp, steps, count, QMP_TIMEOUT_MS, err))
		return error_prefix(err, "VM %s: nothing can be put in place of its disks", vm->name);
	return 0;
}

int vm_stop_and_leave(struct vm *vm, json_t *parameters, char status[32], struct error *err)
{
	struct qmp_step steps[STEPS_EACH * QEMU_DISKS_MAX + 3];
	json_t *answer = NULL;
	size_t count = 0;
	bool swap = vm->leaving && vm->disks == VM_DISKS_REAL && !vm->fds_linger;
	steps[count++] = (struct qmp_step){ "stop", NULL };
	if (parameters)
		steps[count++] = (struct qmp_step){ "migrate-set-parameters", parameters };
	if (swap) {
		count += add_all_detach_steps(vm, &vm->leaving->nodes, vm->leaving->bytes, steps + count);
		vm->disks = VM_DISKS_UNKNOWN;
	}
	steps[count++] = (struct qmp_step){ "query-status", NULL };
	int result = qmp_batch_passing(vm->qmp, steps, NULL, count, QMP_TIMEOUT_MS, &answer, err);
	const char *text = json_string_value(json_object_get(answer, "status"));
	snprintf(status, 32, "%s", text ? text : "unknown");
	json_decref(answer);
	if (result)
		return error_prefix(err, "VM %s does not stop", vm->name);
	if (swap)
		vm->disks = VM_DISKS_HOLD;
	return 0;
}

// Whether process PID has the very file or device open that INFO is of.
static bool has_open(pid_t pid, const struct stat *volume)
{
	char path[64];
	bool found = false;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *fds = opendir(path);
	for (struct dirent *entry; fds && !found && (entry = readdir(fds));) {
		struct stat info;
		if (fstatat(dirfd(fds), entry->d_name, &info, 0) ||
			(info.st_mode & S_IFMT) != (volume->st_mode & S_IFMT))
			continue;
		found = S_ISBLK(info.st_mode)
			? info.st_rdev == volume->st_rdev
			: info.st_dev == volume->st_dev && info.st_ino == volume->st_ino;
	}
	if (fds)
		closedir(fds);
	return found;
}

static int await_closed(struct vm *vm, const Holdfast__Disk *disk, uint32_t index, struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	cleanup_fd int fd = -1;
	uint64_t bytes;
	struct stat volume;
	if (storage_open_volume(group_hypervisor(vm->group)->storage, group, index, &fd, &bytes, err))
		return -1;
	if (fstat(fd, &volume))
		return error_set_errno(err, errno, "VM %s: volume %u", vm->name, index);
	close(steal_fd(&fd));
	for (int tries = 0; has_open(vm->guest.pid, &volume); tries++) {
		if (tries == CLOSE_TRIES)
			return error_set(err, ERROR_BUSY, "VM %s: QEMU (process %d) keeps disk %s open",
				vm->name, (int)vm->guest.pid, disk->name);
		if (task_pause(CLOSE_PAUSE_MS, err))
			return -1;
	}
	return 0;
}

int vm_await_disk_closed(struct vm *vm, size_t i, struct error *err)
{
	const Holdfast__Disk *disk = vm->definition->disks[i];
	return await_closed(vm, disk, disk->volume, err);
}

// A template's volume is the group's own and is let go with it.
static int await_parent_closed(struct vm *vm, size_t i, struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	const Holdfast__Disk *disk = vm->definition->disks[i];
	for (size_t k = 0; has_parent(vm, i) && k < group->n_volumes; k++)
		if (!strcmp(group->volumes[k]->name, disk->parent))
			return await_closed(vm, disk, group->volumes[k]->index, err);
	return 0;
}

static int check_closed(struct vm *vm, struct error *err)
{
	for (size_t i = 0; i < vm->disk_count; i++)
		if (has_disk(vm, i) && (vm_await_disk_closed(vm, i, err) || await_parent_closed(vm, i, err)))
			return -1;
	return 0;
}

static int check_vars_closed(struct vm *vm, struct error *err)
{
	for (int tries = 0; uefi_is_open(vm); tries++) {
		if (tries == CLOSE_TRIES)
			return error_set(err, ERROR_BUSY,
				"VM %s: QEMU (process %d) keeps its UEFI variables open", vm->name,
				(int)vm->guest.pid);
		if (task_pause(CLOSE_PAUSE_MS, err))
			return -1;
	}
	return 0;
}

int vm_detach_disks(struct vm *vm, struct error *err)
{
	struct nodes nodes;
	bool uefi = uefi_has(vm), left = vm->leaving && vm->disks == VM_DISKS_HOLD;
	vm_leaving_clear(vm);
	if (left && !uefi)
		return check_closed(vm, err);
	if (!uefi && (!vm->disk_count || vm->disks == VM_DISKS_HOLD))
		return 0;
	if (fill_linger(vm, err) || find_nodes(vm, &nodes, err))
		return -1;
	if (vm->fds_linger && (nodes.real || uefi) && run_for_an_instant(vm, err))
		return -1;
	if (swap_to_hold(vm, &nodes, err) || (uefi && uefi_detach(vm, err)) || check_closed(vm, err))
		return -1;
	return uefi ? check_vars_closed(vm, err) : 0;
}

int vm_disk_bytes(struct vm *vm, uint64_t bytes[QEMU_DISKS_MAX], struct error *err)
{
	const Holdfast__Group *group = group_spec(vm->group)->group;
	for (size_t i = 0; i < vm->definition->n_disks && i < QEMU_DISKS_MAX; i++) {
		const Holdfast__Disk *disk = vm->definition->disks[i];
		bytes[i] = disk->size_bytes; // a qcow2 volume has more, for checkpoints
		if (has_disk(vm, i) && !is_qcow2(vm, i) &&
			storage_volume_bytes(
				group_hypervisor(vm->group)->storage, group, disk->volume, &bytes[i], err))
			return error_prefix(err, "VM %s: disk %s", vm->name, disk->name);
	}
	return 0;
}
