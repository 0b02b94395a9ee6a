// SPDX-License-Identifier: GPL-3.0-or-later
// One line a key. What a disk may be is checked where it is made; here only that what was typed means something.
#include "ctl/disk-option.h"

#include <stdbool.h>
#include <string.h>
#include "ctl/value.h"

#define LEAST_BYTES ((uint64_t)1 << 20)

typedef int set_fn(Holdfast__Disk *disk, char *value, struct error *err);

static int set_format(Holdfast__Disk *disk, char *value, struct error *err)
{
	if (!strcmp(value, "qcow2"))
		disk->format = HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	else if (!strcmp(value, "raw"))
		disk->format = HOLDFAST__DISK_FORMAT__FORMAT_RAW;
	else
		return error_set(err, ERROR_USAGE, "\"%.40s\" is none of raw|qcow2", value);
	return 0;
}

static int set_bus(Holdfast__Disk *disk, char *value, struct error *err)
{
	static const struct {
		const char *word;
		Holdfast__DiskBus bus;
	} buses[] = {
		{ "virtio", HOLDFAST__DISK_BUS__BUS_VIRTIO },
		{ "scsi", HOLDFAST__DISK_BUS__BUS_SCSI },
		{ "sata", HOLDFAST__DISK_BUS__BUS_SATA },
		{ "ide", HOLDFAST__DISK_BUS__BUS_IDE },
	};
	for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++) {
		if (strcmp(buses[i].word, value))
			continue;
		disk->bus = buses[i].bus;
		return 0;
	}
	return error_set(err, ERROR_USAGE, "\"%.40s\" is none of virtio|scsi|sata|ide", value);
}

static int set_thin(Holdfast__Disk *disk, char *value, struct error *err)
{
	disk->thin = true;
	return value ? error_set(err, ERROR_USAGE, "it takes no value") : 0;
}

static int set_parent(Holdfast__Disk *disk, char *value, struct error *err)
{
	if (value[0] != '/')
		return error_set(err, ERROR_USAGE, "\"%.40s\" is no absolute path", value);
	disk->parent = value;
	disk->format = HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	return 0;
}

static int set_parent_format(Holdfast__Disk *disk, char *value, struct error *err)
{
	Holdfast__Disk named = HOLDFAST__DISK__INIT;

	if (set_format(&named, value, err))
		return -1;
	disk->parent_format = named.format;
	return 0;
}

static const struct {
	const char *key;
	set_fn *set;
	bool flag; // may stand without a value
} keys[] = {
	{ "format", set_format, false },
	{ "bus", set_bus, false },
	{ "thin", set_thin, true },
	{ "parent", set_parent, false },
	{ "parent-format", set_parent_format, false },
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static int set_key(Holdfast__Disk *disk, const char *key, char *value, struct error *err)
{
	const char *words[KEYS + 1] = { NULL };

	for (size_t i = 0; i < KEYS; i++) {
		words[i] = keys[i].key;
		if (strcmp(keys[i].key, key))
			continue;
		if (!value && !keys[i].flag)
			return error_set(err, ERROR_USAGE, "%s has no value: give %s=...", key, key);
		return keys[i].set(disk, value, err) ? error_prefix(err, "%s", key) : 0;
	}
	const char *nearest = value_nearest(key, words);
	return error_set(err, ERROR_USAGE, "a disk has no \"%.40s\"%s%s%s", key,
		nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

int disk_option_parse(char *text, Holdfast__Disk *disk, struct error *err)
{
	char *size = strsep(&text, ",");

	if (value_size(size, &disk->size_bytes, err))
		return -1;
	if (disk->size_bytes < LEAST_BYTES)
		return error_set(
			err, ERROR_USAGE, "\"%.40s\" is too small: did you leave the unit out?", size);
	bool parent_format = false;
	while (text) {
		char *value = strsep(&text, ",");
		char *key = strsep(&value, "=");
		parent_format |= !strcmp(key, "parent-format");
		if (set_key(disk, key, value, err))
			return -1;
	}
	if (parent_format != (disk->parent[0] != '\0'))
		return error_set(err, ERROR_USAGE,
			"a parent and its format, which is never guessed, belong together: give "
			"parent=PATH,parent-format=raw|qcow2");
	if (disk->parent[0] && disk->format != HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
		return error_set(
			err, ERROR_USAGE, "only a qcow2 disk lies over a parent: leave format=raw out");
	return 0;
}
