// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast vm set: asks for the definition, changes what was given in a copy of it, and sends both: the daemon refuses a change that was made from
// an older one.
#include "ctl/vm-set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/disk-option.h"
#include "ctl/nouns.h"
#include "ctl/vm-control.h"
#include "ctl/vm-health.h"
#include "proto/json.h"
#include "proto/text.h"

static int set_if_given(const struct args *args, const char *option, char **field, struct error *err)
{
	return args_count(args, option) ? proto_set_text(field, args_text(args, option), err) : 0;
}

// ---- disks and NICs

static bool disk_named(const Holdfast__Vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->n_disks; i++)
		if (!strcmp(vm->disks[i]->name, name))
			return true;
	return false;
}

static bool nic_named(const Holdfast__Vm *vm, const char *name)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (!strcmp(vm->nics[i]->name, name))
			return true;
	return false;
}

static void first_free_name(const Holdfast__Vm *vm, const char *kind,
	bool (*taken)(const Holdfast__Vm *vm, const char *name), char name[32])
{
	unsigned number = 0;
	do
		snprintf(name, 32, "%s%u", kind, number++);
	while (taken(vm, name));
}

// TEXT as a disk of `vm create`: "20G" or "20G,format=qcow2".
static int add_disk(Holdfast__Vm *vm, const char *text, struct error *err)
{
	Holdfast__Disk parsed = HOLDFAST__DISK__INIT;
	cleanup_free char *copy = strdup(text);
	char name[32];
	if (!copy || disk_option_parse(copy, &parsed, err))
		return copy ? -1 : error_set(err, ERROR_NO_SPACE, "no memory");
	first_free_name(vm, "disk", disk_named, name);
	parsed.name = name;
	Holdfast__Disk **more = reallocarray(vm->disks, vm->n_disks + 1, sizeof(*more));
	if (more)
		vm->disks = more;
	Holdfast__Disk *disk = more ? (Holdfast__Disk *)proto_copy(&parsed.base) : NULL;
	if (!disk)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	vm->disks[vm->n_disks++] = disk;
	return 0;
}

static int add_nic(Holdfast__Vm *vm, const char *network, struct error *err)
{
	Holdfast__Nic **more = reallocarray(vm->nics, vm->n_nics + 1, sizeof(*more));
	Holdfast__Nic *nic = more ? calloc(1, sizeof(*nic)) : NULL;
	char name[32];
	if (more)
		vm->nics = more;
	if (!nic)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	holdfast__nic__init(nic);
	first_free_name(vm, "nic", nic_named, name);
	vm->nics[vm->n_nics++] = nic;
	return proto_set_text(&nic->name, name, err) || proto_set_text(&nic->network, network, err) ? -1 : 0;
}

static int remove_disk(Holdfast__Vm *vm, const char *name, struct error *err)
{
	for (size_t i = 0; i < vm->n_disks; i++) {
		if (strcmp(vm->disks[i]->name, name))
			continue;
		holdfast__disk__free_unpacked(vm->disks[i], NULL);
		vm->n_disks--;
		memmove(vm->disks + i, vm->disks + i + 1, (vm->n_disks - i) * sizeof(vm->disks[0]));
		return 0;
	}
	return error_set(err, ERROR_NOT_FOUND, "VM %s has no disk %.60s: see 'holdfast vm show %s'", vm->name,
		name, vm->name);
}

// By its name, or, of older definitions, by its place; or by its MAC address.
static int remove_nic(Holdfast__Vm *vm, const char *name, struct error *err)
{
	for (size_t i = 0; i < vm->n_nics; i++) {
		char place[32];
		snprintf(place, sizeof(place), "nic%zu", i);
		if (strcmp(vm->nics[i]->name[0] ? vm->nics[i]->name : place, name) &&
			strcmp(vm->nics[i]->mac, name))
			continue;
		holdfast__nic__free_unpacked(vm->nics[i], NULL);
		vm->n_nics--;
		memmove(vm->nics + i, vm->nics + i + 1, (vm->n_nics - i) * sizeof(vm->nics[0]));
		return 0;
	}
	return error_set(err, ERROR_NOT_FOUND, "VM %s has no NIC %.60s: see 'holdfast vm show %s'", vm->name,
		name, vm->name);
}

static int set_devices(const struct args *args, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < args_count(args, "remove-disk"); i++)
		if (remove_disk(vm, args_text_at(args, "remove-disk", i), err))
			return -1;
	for (size_t i = 0; i < args_count(args, "remove-nic"); i++)
		if (remove_nic(vm, args_text_at(args, "remove-nic", i), err))
			return -1;
	for (size_t i = 0; i < args_count(args, "add-disk"); i++)
		if (add_disk(vm, args_text_at(args, "add-disk", i), err))
			return -1;
	for (size_t i = 0; i < args_count(args, "add-nic"); i++)
		if (add_nic(vm, args_text_at(args, "add-nic", i), err))
			return -1;
	return 0;
}

// ---- media

static int add_drive(Holdfast__Vm *vm, struct error *err)
{
	Holdfast__Cdrom **more = reallocarray(vm->cdroms, vm->n_cdroms + 1, sizeof(*more));
	Holdfast__Cdrom *drive = more ? calloc(1, sizeof(*drive)) : NULL;
	if (more)
		vm->cdroms = more;
	if (!drive)
		return error_set(err, ERROR_NO_SPACE, "no memory");
	holdfast__cdrom__init(drive);
	vm->cdroms[vm->n_cdroms++] = drive;
	return 0;
}

// The first one that is given is for the first drive, and so on. "none" empties a drive and makes none.
static int set_cdroms(const struct args *args, Holdfast__Vm *vm, struct error *err)
{
	for (size_t i = 0; i < args_count(args, "cdrom"); i++) {
		const char *path = args_text_at(args, "cdrom", i);
		bool none = !strcmp(path, "none");
		if (!none && path[0] != '/')
			return error_set(err, ERROR_USAGE,
				"--cdrom: \"%.60s\" is no absolute path, nor \"none\" for an empty drive", path);
		if (i >= vm->n_cdroms && none)
			return error_set(err, ERROR_NOT_FOUND, "VM %s has %zu CD-ROM drives: there is nothing to empty",
				vm->name, vm->n_cdroms);
		if ((i >= vm->n_cdroms && add_drive(vm, err)) ||
			proto_set_text(&vm->cdroms[i]->path, none ? "" : path, err))
			return -1;
	}
	return 0;
}

// ---- the rest

static void set_numbers(const struct args *args, Holdfast__Vm *vm)
{
	vm->cpus = (uint32_t)args_number(args, "cpus", vm->cpus);
	vm->memory_mib = args_number(args, "memory", vm->memory_mib);
	vm->offline_action =
		(Holdfast__OfflineAction)args_number(args, "offline-action", (uint64_t)vm->offline_action);
	vm->restart_limit = (uint32_t)args_number(args, "restart-limit", vm->restart_limit);
	vm->restart_period_s = (uint32_t)args_number(args, "restart-period", vm->restart_period_s);
	vm->firmware = (Holdfast__Firmware)args_number(args, "firmware", (uint64_t)vm->firmware);
}

static int set_all(const struct args *args, Holdfast__Vm *vm, struct error *err)
{
	set_numbers(args, vm);
	if (set_devices(args, vm, err) || set_cdroms(args, vm, err))
		return -1;
	return set_if_given(args, "kernel", &vm->kernel, err) ||
			set_if_given(args, "initrd", &vm->initrd, err) ||
			set_if_given(args, "append", &vm->append, err)
		? -1
		: 0;
}

// ---- the command

static int ask(struct session *session, char *name, Holdfast__Reply **reply, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name body = HOLDFAST__NAME__INIT;
	body.name = name;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_SHOW;
	request.vm_show = &body;
	if (session_call(session, &request, SESSION_QUERY_MS, NULL, NULL, reply, err) < 0)
		return -1;
	if ((*reply)->body_case == HOLDFAST__REPLY__BODY_VM && (*reply)->vm->definition)
		return 0;
	holdfast__reply__free_unpacked(*reply, NULL);
	return error_set(
		err, ERROR_PROTOCOL, "the daemon does not tell the definition of VM %s: is it older?", name);
}

static void show_changed(const struct printer *printer, const Holdfast__VmStatus *vm)
{
	print_line(printer, "VM %s is changed", vm->name);
	for (size_t i = 0; i < vm->n_pending; i++)
		print_line(printer, "  %s", vm->pending[i]);
}

static int send_change(struct session *session, Holdfast__Vm *before, Holdfast__Vm *after, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__VmSet set = HOLDFAST__VM_SET__INIT;
	Holdfast__Reply *reply;
	set.before = before;
	set.vm = after;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_SET;
	request.vm_set = &set;
	if (session_call(session, &request, SESSION_CHANGE_MS, NULL, NULL, &reply, err) < 0)
		return -1;
	int result = 0;
	if (reply->body_case != HOLDFAST__REPLY__BODY_VM)
		result = error_set(err, ERROR_PROTOCOL, "the daemon answered what was not asked");
	else if (session->printer.json)
		result = print_json(&session->printer, &reply->vm->base, err);
	else
		show_changed(&session->printer, reply->vm);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

// What vm_control_fill and vm_health_fill put in is their own, not the message's.
static int with_parts(struct session *session, const struct args *args, Holdfast__Vm *before,
	Holdfast__Vm *after, struct error *err)
{
	struct vm_control parts;
	Holdfast__Health health;
	Holdfast__Vm changed = *after;
	Holdfast__Control *control = after->control;
	Holdfast__Throttle *limits[VM_CONTROL_DISKS_MAX] = { NULL };
	for (size_t i = 0; i < after->n_disks && i < VM_CONTROL_DISKS_MAX; i++)
		limits[i] = after->disks[i]->limit;
	vm_health_fill(args, &health, &changed);
	int result = vm_control_fill(args, &parts, &changed, err);
	if (!result)
		result = send_change(session, before, &changed, err);
	for (size_t i = 0; i < after->n_disks && i < VM_CONTROL_DISKS_MAX; i++)
		after->disks[i]->limit = limits[i];
	after->control = control;
	return result;
}

int vm_set(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__Reply *reply = NULL;
	char *name = args_text(args, "VM");
	if (args->count < 2)
		return error_set(
			err, ERROR_USAGE, "vm set: give what is to be changed: see `holdfast vm set --help`");
	if (args_count(args, "remove-disk") && !args_flag(args, "yes"))
		return error_set(err, ERROR_UNSAFE,
			"--remove-disk destroys the disk and its data for good: add --yes to consent");
	if (ask(session, name, &reply, err))
		return -1;
	Holdfast__Vm *before = reply->vm->definition;
	Holdfast__Vm *after = (Holdfast__Vm *)proto_copy(&before->base);
	int result = after ? set_all(args, after, err) : error_set(err, ERROR_NO_SPACE, "no memory");
	if (!result)
		result = with_parts(session, args, before, after, err);
	if (after)
		holdfast__vm__free_unpacked(after, NULL);
	holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

const struct arg vm_set_options[] = {
	{ .name = "cpus",
		.kind = ARG_NUMBER,
		.what = "n",
		.least = 1,
		.most = 255,
		.help = "virtual CPUs; more of them at once, up to --cpus-max of its last start" },
	{ .name = "memory",
		.kind = ARG_MEMORY,
		.what = "MiB",
		.most = UINT32_MAX,
		.help = "memory; more of it at once, up to --memory-max of its last start" },
	{ .name = "add-disk",
		.kind = ARG_TEXT,
		.what = "size",
		.flags = ARG_REPEATED,
		.help = "a new disk, as --disk of vm create" },
	{ .name = "remove-disk",
		.kind = ARG_NAME,
		.what = "disk",
		.flags = ARG_REPEATED,
		.help = "take this disk out of the guest and destroy it; needs --yes" },
	{ .name = "yes", .kind = ARG_FLAG, .help = "consent to lose what is on the disks that go" },
	{ .name = "add-nic",
		.kind = ARG_TEXT,
		.what = "network",
		.flags = ARG_REPEATED,
		.help = "a new network card on this network" },
	{ .name = "remove-nic",
		.kind = ARG_TEXT,
		.what = "nic",
		.flags = ARG_REPEATED,
		.help = "take this one out: nic0, ... or its MAC address" },
	{ .name = "cdrom",
		.kind = ARG_TEXT,
		.what = "path",
		.flags = ARG_REPEATED,
		.help = "put this ISO image into its first drive (again: the second), or none: empty it" },
	{ .name = "firmware",
		.kind = ARG_CHOICE,
		.what = "firmware",
		.choices = "bios|uefi",
		.help = "bios or uefi, from its next start on" },
	{ .name = "kernel",
		.kind = ARG_TEXT,
		.what = "path",
		.help = "boot this kernel directly; \"\": none" },
	{ .name = "initrd",
		.kind = ARG_TEXT,
		.what = "path",
		.help = "with this initial RAM disk; \"\": none" },
	{ .name = "append", .kind = ARG_TEXT, .what = "text", .help = "and this command line" },
	{ .name = "offline-action",
		.kind = ARG_CHOICE,
		.what = "action",
		.choices = "save|shut-down|turn-off",
		.help = "when its group goes offline" },
	{ .name = "restart-limit",
		.kind = ARG_NUMBER,
		.what = "n",
		.most = 1000,
		.help = "restarts in place before the group fails over" },
	{ .name = "restart-period",
		.kind = ARG_SECONDS,
		.what = "time",
		.least = 1,
		.most = UINT32_MAX,
		.help = "within this time" },
	VM_HEALTH_OPTIONS,
	VM_CONTROL_OPTIONS,
	ARGS_END,
};
