// SPDX-License-Identifier: GPL-3.0-or-later
// See pending.h. Definitions are compared as JSON, field by field, so that no field can be forgotten.
#include "proto/pending.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/cleanup.h"
#include "proto/json.h"

#define LINES_MAX 100

// Fields that need no restart: who reads them reads the wanted definition, or they are applied by other means as soon as they change.
static const char *const at_once[] = { "name", "group", "uuid", "target", "plugged", "offline_action",
	"restart_limit", "restart_period_s", "control.cpu_reserve", "control.cpu_limit", "control.cpu_weight",
	"control.memory_floor_mib", "control.memory_target_mib", "health.on_hang", "health.on_panic",
	"health.heartbeat_s", "disks", "disk.limit", "disk.weight", "disk.volume", "nics",
	"nic.limit_bytes_per_s", "nic.name", NULL };
static const struct {
	const char *field, *label, *unit;
} labels[] = {
	{ "memory_mib", "memory", " MiB" },
	{ "cpus", "virtual processors", "" },
	{ "control.cpus_max", "most virtual processors", "" },
	{ "control.memory_max_mib", "most memory", " MiB" },
	{ "health.watchdog", "watchdog", "" },
	{ "append", "kernel arguments", "" },
	{ "cdroms", "CD-ROMs", "" },
	{ "serials", "serial ports", "" },
	{ "boot_order", "boot order", "" },
	{ "cpu_model", "CPU model", "" },
};

struct lines {
	char **list;
	size_t count;
};

static void add(struct lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct lines *lines, const char *format, ...)
{
	char **more =
		lines->count < LINES_MAX ? reallocarray(lines->list, lines->count + 1, sizeof(*more)) : NULL;
	va_list arguments;
	if (!more)
		return;
	lines->list = more;
	va_start(arguments, format);
	if (vasprintf(&more[lines->count], format, arguments) >= 0)
		lines->count++;
	va_end(arguments);
}

static bool holds_at_once(const char *field)
{
	for (size_t i = 0; at_once[i]; i++)
		if (!strcmp(at_once[i], field))
			return true;
	return false;
}

static void value_text(const json_t *value, const char *unit, char text[120])
{
	cleanup_free char *dump =
		json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *word = json_is_string(value) ? json_string_value(value) : dump;
	if (json_is_true(value) || json_is_false(value))
		word = json_is_true(value) ? "yes" : "no";
	if (!word || !word[0] || json_is_null(value))
		snprintf(text, 120, "none");
	else
		snprintf(text, 120, "%.100s%s%s", word, strlen(word) > 100 ? "..." : "", unit);
}

static void add_difference(
	struct lines *lines, const char *where, const char *field, const json_t *now, const json_t *then)
{
	char label[100], before[120], after[120];
	const char *unit = "";
	snprintf(label, sizeof(label), "%s", strrchr(field, '.') ? strrchr(field, '.') + 1 : field);
	for (char *c = label; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (!strcmp(labels[i].field, field)) {
			snprintf(label, sizeof(label), "%s", labels[i].label);
			unit = labels[i].unit;
		}
	value_text(now, unit, before);
	value_text(then, unit, after);
	add(lines, "%s%s: %s now, %s at the next start", where, label, before, after);
}

// A message that is not there is one with nothing but defaults.
static json_t *part_of(const json_t *whole, const char *name)
{
	static const Holdfast__Control control = HOLDFAST__CONTROL__INIT;
	static const Holdfast__Health health = HOLDFAST__HEALTH__INIT;
	json_t *part = json_object_get(whole, name);
	if (!json_is_null(part))
		return json_incref(part);
	if (!strcmp(name, "control"))
		return proto_to_json(&control.base);
	if (!strcmp(name, "health"))
		return proto_to_json(&health.base);
	return json_incref(part);
}

// PREFIX is that of the fields' names in the tables above, with its dot.
static void compare(
	struct lines *lines, const char *where, const char *prefix, const json_t *now, const json_t *then)
{
	const char *name;
	json_t *ignored;
	json_object_foreach ((json_t *)then, name, ignored) {
		char field[96];
		json_t *before = part_of(now, name), *after = part_of(then, name);
		snprintf(field, sizeof(field), "%s%s", prefix, name);
		if (json_is_object(before) && json_is_object(after) && !prefix[0] &&
			strcmp(name, "plugged")) {
			snprintf(field, sizeof(field), "%s.", name);
			compare(lines, where, field, before, after);
		} else if (!holds_at_once(field) && !json_equal(before, after)) {
			add_difference(lines, where, field, before, after);
		}
		json_decref(before);
		json_decref(after);
	}
}

static void compare_messages(struct lines *lines, const char *where, const char *prefix,
	const ProtobufCMessage *now, const ProtobufCMessage *then)
{
	json_t *before = proto_to_json(now), *after = proto_to_json(then);
	if (before && after)
		compare(lines, where, prefix, before, after);
	json_decref(before);
	json_decref(after);
}

// ---- disks and NICs, which have no fixed place

static bool disk_there(const Holdfast__Vm *vm, size_t i)
{
	return !vm->plugged || vm->disks[i]->volume;
}

static bool nic_there(const Holdfast__Vm *vm, size_t i)
{
	return !vm->plugged || vm->nics[i]->network[0];
}

const Holdfast__Disk *pending_disk_in(const Holdfast__Vm *other, const Holdfast__Disk *disk)
{
	for (size_t i = 0; i < other->n_disks; i++)
		if (disk_there(other, i) && other->disks[i]->volume == disk->volume)
			return other->disks[i];
	return NULL;
}

const Holdfast__Nic *pending_nic_in(const Holdfast__Vm *other, const Holdfast__Nic *nic)
{
	for (size_t i = 0; i < other->n_nics; i++)
		if (nic_there(other, i) && !strcasecmp(other->nics[i]->mac, nic->mac))
			return other->nics[i];
	return NULL;
}

static void compare_disks(struct lines *lines, const Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	char where[100];
	for (size_t i = 0; i < wanted->n_disks; i++) {
		const Holdfast__Disk *now = pending_disk_in(running, wanted->disks[i]);
		snprintf(where, sizeof(where), "disk %.63s: ", wanted->disks[i]->name);
		if (now)
			compare_messages(lines, where, "disk.", &now->base, &wanted->disks[i]->base);
		else
			add(lines, "disk %.63s: added at the next start", wanted->disks[i]->name);
	}
	for (size_t i = 0; i < running->n_disks; i++)
		if (disk_there(running, i) && !pending_disk_in(wanted, running->disks[i]))
			add(lines, "disk %.63s: removed at the next start", running->disks[i]->name);
}

static void compare_nics(struct lines *lines, const Holdfast__Vm *running, const Holdfast__Vm *wanted)
{
	char where[160];
	for (size_t i = 0; i < wanted->n_nics; i++) {
		const Holdfast__Nic *nic = wanted->nics[i], *now = pending_nic_in(running, nic);
		snprintf(where, sizeof(where), "NIC %.40s on network %.63s",
			nic->name[0] ? nic->name : nic->mac, nic->network);
		if (!now) {
			add(lines, "%s: added at the next start", where);
			continue;
		}
		strncat(where, ": ", sizeof(where) - strlen(where) - 1);
		compare_messages(lines, where, "nic.", &now->base, &nic->base);
	}
	for (size_t i = 0; i < running->n_nics; i++)
		if (nic_there(running, i) && !pending_nic_in(wanted, running->nics[i]))
			add(lines, "NIC %.40s: removed at the next start",
				running->nics[i]->name[0] ? running->nics[i]->name : running->nics[i]->mac);
}

void pending_lines(const Holdfast__Vm *running, const Holdfast__Vm *wanted, char ***lines, size_t *count)
{
	struct lines found = { NULL, 0 };
	compare_messages(&found, "", "", &running->base, &wanted->base);
	compare_disks(&found, running, wanted);
	compare_nics(&found, running, wanted);
	*lines = found.list;
	*count = found.count;
}

bool pending_same(const Holdfast__Vm *one, const Holdfast__Vm *other)
{
	json_t *left = proto_to_json(&one->base), *right = proto_to_json(&other->base);
	json_object_del(left, "target");
	json_object_del(right, "target");
	bool same = left && right && json_equal(left, right);
	json_decref(left);
	json_decref(right);
	return same;
}

static int check_text(
	const Holdfast__Vm *vm, const char *what, const char *before, const char *after, struct error *err)
{
	if (!strcmp(before, after))
		return 0;
	return error_set(err, ERROR_USAGE, "VM %s: its %s is %.64s and cannot be changed to \"%.64s\"",
		vm->name, what, before[0] ? before : "open", after);
}

int pending_check_identity(const Holdfast__Vm *before, const Holdfast__Vm *after, struct error *err)
{
	if (check_text(before, "name", before->name, after->name, err) ||
		check_text(before, "group", before->group, after->group, err) ||
		check_text(before, "UUID", before->uuid, after->uuid, err) ||
		check_text(before, "machine type", before->machine, after->machine, err))
		return -1;
	if (after->template_ != before->template_)
		return error_set(err, ERROR_USAGE,
			"VM %s is not made a template, or no more one, like this: see 'holdfast vm template'",
			before->name);
	if (after->plugged)
		return error_set(err, ERROR_USAGE,
			"VM %s: what was plugged in is not for a definition to say", before->name);
	for (size_t i = 0; i < after->n_disks; i++) {
		const Holdfast__Disk *disk = after->disks[i];
		const Holdfast__Disk *was = disk->volume ? pending_disk_in(before, disk) : NULL;
		if (disk->volume && !was)
			return error_set(err, ERROR_USAGE, "VM %s has no disk on volume %u", before->name,
				(unsigned)disk->volume);
		if (was && (check_text(before, "disk's name", was->name, disk->name, err) ||
				   check_text(before, "disk's parent", was->parent, disk->parent, err)))
			return -1;
		if (was && was->size_bytes != disk->size_bytes)
			return error_set(err, ERROR_USAGE,
				"VM %s: the size of disk %s is not changed like this: see 'holdfast volume "
				"grow'",
				before->name, disk->name);
	}
	return 0;
}
