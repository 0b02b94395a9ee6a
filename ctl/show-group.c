// SPDX-License-Identifier: GPL-3.0-or-later
// Groups, their VMs and volumes, as people read them.
#include <string.h>
#include "common/cleanup.h"
#include "ctl/show.h"
#include "ctl/value.h"

enum colour show_group_colour(Holdfast__GroupState state)
{
	switch (state) {
	case HOLDFAST__GROUP_STATE__GROUP_ONLINE:
		return COLOUR_GOOD;
	case HOLDFAST__GROUP_STATE__GROUP_MOVING:
		return COLOUR_WARN;
	case HOLDFAST__GROUP_STATE__GROUP_FAILED:
		return COLOUR_BAD;
	default:
		return COLOUR_NONE;
	}
}

static enum colour vm_colour(Holdfast__VmState state)
{
	if (state == HOLDFAST__VM_STATE__VM_RUNNING)
		return COLOUR_GOOD;
	if (state == HOLDFAST__VM_STATE__VM_FAILED)
		return COLOUR_BAD;
	return state == HOLDFAST__VM_STATE__VM_OFF || state == HOLDFAST__VM_STATE__VM_SAVED ? COLOUR_NONE
											    : COLOUR_WARN;
}

void show_group_list(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = {
		{ "GROUP", 0 },
		{ "STATE", 0 },
		{ "OWNER", 0 },
		{ "PREFERRED", 0 },
		{ "STORAGE", 0 },
		{ "PROBLEMS", TABLE_RIGHT },
		{ "VMS", TABLE_WRAP },
		{ NULL, 0 },
	};
	const Holdfast__GroupList *list = (const void *)message;
	struct table *table = table_new(printer, columns);

	for (size_t i = 0; i < list->n_groups; i++) {
		const Holdfast__GroupStatus *group = list->groups[i];
		cleanup_free char *preferred = print_join(group->preferred, group->n_preferred, "-");
		cleanup_free char *vms = print_join(group->vms, group->n_vms, "-");
		struct table_line *line = table_add(table, NULL);
		char word[PRINT_ENUM_BYTES];

		table_set(line, 0, "%s", group->name);
		table_set(line, 1, "%s",
			print_enum(word, &holdfast__group_state__descriptor, (int)group->state));
		table_colour(line, 1, show_group_colour(group->state));
		table_set(line, 2, "%s", group->owner[0] ? group->owner : "-");
		table_set(line, 3, "%s", preferred ? preferred : "");
		table_set(line, 4, "%s",
			print_enum(word, &holdfast__storage_kind__descriptor, (int)group->storage));
		table_set(line, 5, "%zu", group->n_problems);
		table_colour(line, 5, group->n_problems ? COLOUR_BAD : COLOUR_NONE);
		table_set(line, 6, "%s", vms ? vms : "");
	}
	table_print(table);
}

// ---- volumes

static const struct table_column volume_columns[] = {
	{ "VOLUME", 0 },
	{ "GROUP", 0 },
	{ "SIZE", TABLE_RIGHT },
	{ "DEVICE", 0 },
	{ "NODE", 0 },
	{ "ROLE", 0 },
	{ "DISK", 0 },
	{ "PEER", 0 },
	{ "CONNECTION", 0 },
	{ "SYNC", TABLE_RIGHT },
	{ NULL, 0 },
};

static void set_disk(struct table_line *line, unsigned column, const char *disk)
{
	table_set(line, column, "%s", disk[0] ? disk : "-");
	if (disk[0])
		table_colour(line, column, strcmp(disk, "UpToDate") ? COLOUR_WARN : COLOUR_GOOD);
}

static void add_volume(struct table *table, const Holdfast__VolumeStatus *volume)
{
	struct table_line *line = table_add(table, NULL);
	char role[PRINT_ENUM_BYTES], size[VALUE_BYTES];

	table_set(line, 0, "%s", volume->name);
	table_set(line, 1, "%s", volume->group);
	table_set(line, 2, "%s", value_show_size(size, volume->size_bytes));
	table_set(line, 3, "%s", volume->device[0] ? volume->device : "-");
	table_set(line, 4, "%s", volume->node[0] ? volume->node : "-");
	table_set(line, 5, "%s", print_enum(role, &holdfast__role__descriptor, (int)volume->role));
	set_disk(line, 6, volume->disk);
	set_disk(line, 7, volume->peer_disk);
	table_set(line, 8, "%s%s", volume->connection[0] ? volume->connection : "-",
		volume->suspended ? " (I/O frozen)" : "");
	table_colour(line, 8, volume->suspended ? COLOUR_BAD : COLOUR_NONE);
	if (volume->connection[0])
		table_set(line, 9, "%.1f%%", volume->sync_percent);
	else
		table_set(line, 9, "-");
}

static void show_volumes(const struct printer *printer, Holdfast__VolumeStatus *const *volumes, size_t count)
{
	struct table *table = table_new(printer, volume_columns);

	for (size_t i = 0; i < count; i++)
		add_volume(table, volumes[i]);
	table_print(table);
}

void show_volume_list(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__VolumeList *list = (const void *)message;

	show_volumes(printer, list->volumes, list->n_volumes);
}

// ---- one group

void show_group(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__GroupStatus *group = (const void *)message;
	cleanup_free char *preferred = print_join(group->preferred, group->n_preferred, "");
	cleanup_free char *possible = print_join(group->possible, group->n_possible, "");
	cleanup_free char *vms = print_join(group->vms, group->n_vms, "none");
	char word[PRINT_ENUM_BYTES];

	print_line(printer, "group %s", group->name);
	print_field(printer, "state", "%s",
		print_enum(word, &holdfast__group_state__descriptor, (int)group->state));
	print_field(printer, "owner", "%s", group->owner[0] ? group->owner : "none");
	print_field(printer, "preferred", "%s", preferred ? preferred : "");
	print_field(printer, "possible", "%s", possible ? possible : "");
	print_field(printer, "storage", "%s",
		print_enum(word, &holdfast__storage_kind__descriptor, (int)group->storage));
	print_field(printer, "live policy", "%s",
		print_enum(word, &holdfast__live_policy__descriptor, (int)group->live_policy));
	if (group->max_pause_ms)
		print_field(printer, "max pause", "%u ms", group->max_pause_ms);
	print_field(printer, "VMs", "%s", vms ? vms : "");
	if (group->current[0])
		print_field(printer, "current data", "only on %s", group->current);
	if (group->last_move_failed[0])
		print_field(printer, "last move", "failed %s", group->last_move_failed);
	for (size_t i = 0; i < group->n_problems; i++)
		print_field(printer, "problem", "%s", group->problems[i]);
	if (group->n_volumes) {
		fputc('\n', printer->out);
		show_volumes(printer, group->volumes, group->n_volumes);
	}
}

// ---- VMs

void show_vm_list(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = {
		{ "VM", 0 },
		{ "GROUP", 0 },
		{ "NODE", 0 },
		{ "STATE", 0 },
		{ "CPUS", TABLE_RIGHT },
		{ "MEMORY", TABLE_RIGHT },
		{ "UPTIME", TABLE_RIGHT },
		{ "RESTARTS", TABLE_RIGHT },
		{ "REASON", TABLE_WRAP },
		{ NULL, 0 },
	};
	const Holdfast__VmList *list = (const void *)message;
	struct table *table = table_new(printer, columns);

	for (size_t i = 0; i < list->n_vms; i++) {
		const Holdfast__VmStatus *vm = list->vms[i];
		struct table_line *line = table_add(table, NULL);
		char state[PRINT_ENUM_BYTES], text[VALUE_BYTES];

		table_set(line, 0, "%s", vm->name);
		table_set(line, 1, "%s", vm->group);
		table_set(line, 2, "%s", vm->node[0] ? vm->node : "-");
		table_set(line, 3, "%s", print_enum(state, &holdfast__vm_state__descriptor, (int)vm->state));
		table_colour(line, 3, vm_colour(vm->state));
		table_set(line, 4, "%u", vm->cpus);
		table_set(line, 5, "%s", value_show_size(text, vm->memory_mib << 20));
		table_set(line, 6, "%s", vm->pid ? value_show_seconds(text, vm->uptime_s) : "-");
		table_set(line, 7, "%u", vm->restarts);
		table_set(line, 8, "%s", vm->reason[0] ? vm->reason : "-");
	}
	table_print(table);
}

static void show_disks(const struct printer *printer, const Holdfast__VmStatus *vm)
{
	static const struct table_column columns[] = { { "DISK", 0 }, { "SIZE", TABLE_RIGHT },
		{ "VOLUME", 0 }, { "DEVICE", 0 }, { NULL, 0 } };
	struct table *table = table_new(printer, columns);

	fputc('\n', printer->out);
	for (size_t i = 0; i < vm->n_disks; i++) {
		struct table_line *line = table_add(table, NULL);
		char size[VALUE_BYTES];

		table_set(line, 0, "%s", vm->disks[i]->name);
		table_set(line, 1, "%s", value_show_size(size, vm->disks[i]->size_bytes));
		table_set(line, 2, "%s", vm->disks[i]->volume);
		table_set(line, 3, "%s", vm->disks[i]->device[0] ? vm->disks[i]->device : "-");
	}
	table_print(table);
}

// What only its definition says.
static void show_template(const struct printer *printer, const Holdfast__Vm *definition)
{
	if (definition && definition->template_)
		print_field(printer, "template", "yes: it is never started, and cloned");
	for (size_t i = 0; definition && i < definition->n_disks; i++)
		if (definition->disks[i]->parent[0])
			print_field(printer, "parent", "%s lies over %s", definition->disks[i]->name,
				definition->disks[i]->parent);
}

void show_vm(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__VmStatus *vm = (const void *)message;
	char state[PRINT_ENUM_BYTES], text[VALUE_BYTES];

	print_line(printer, "VM %s", vm->name);
	print_field(
		printer, "state", "%s", print_enum(state, &holdfast__vm_state__descriptor, (int)vm->state));
	print_field(printer, "reason", "%s", vm->reason);
	print_field(printer, "wanted", "%s", vm->target);
	show_template(printer, vm->definition);
	print_field(printer, "group", "%s", vm->group);
	print_field(printer, "node", "%s", vm->node[0] ? vm->node : "none");
	print_field(printer, "CPUs", "%u", vm->cpus);
	print_field(printer, "memory", "%s", value_show_size(text, vm->memory_mib << 20));
	if (vm->pid) {
		print_field(printer, "uptime", "%s", value_show_seconds(text, vm->uptime_s));
		print_field(printer, "QEMU", "process %u, %s", vm->pid, vm->accel);
	}
	if (vm->machine[0])
		print_field(printer, "machine", "%s", vm->machine);
	if (vm->vnc[0])
		print_field(printer, "VNC", "%s", vm->vnc);
	print_field(printer, "restarts", "%u", vm->restarts);
	for (size_t i = 0; i < vm->n_evidence; i++)
		print_field(printer, "evidence", "%s", vm->evidence[i]);
	for (size_t i = 0; i < vm->n_pending; i++)
		print_field(printer, "pending", "%s", vm->pending[i]);
	for (size_t i = 0; i < vm->n_nics; i++)
		print_field(printer, "NIC", "%s %s", vm->nics[i]->network, vm->nics[i]->mac);
	show_control(printer, vm);
	if (vm->n_disks)
		show_disks(printer, vm);
}
