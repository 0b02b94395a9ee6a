// SPDX-License-Identifier: GPL-3.0-or-later
// See clone.h.
#include "proto/clone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/name.h"
#include "proto/json.h"
#include "proto/pending.h"
#include "proto/text.h"

static const Holdfast__Vm *find(const Holdfast__GroupSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		if (!strcmp(spec->vms[i]->name, name))
			return spec->vms[i];
	return NULL;
}

static int without_identity(Holdfast__Vm *vm, struct error *err)
{
	if (proto_set_text(&vm->uuid, "", err))
		return -1;
	for (size_t i = 0; i < vm->n_nics; i++)
		if (proto_set_text(&vm->nics[i]->mac, "", err))
			return -1;
	return 0;
}

static int alone(Holdfast__Vm *vm, struct error *err)
{
	vm->template_ = false;
	for (size_t i = 0; i < vm->n_disks; i++) {
		vm->disks[i]->volume = 0;
		if (proto_set_text(&vm->disks[i]->parent, "", err))
			return -1;
		vm->disks[i]->parent_format = HOLDFAST__DISK_FORMAT__FORMAT_RAW;
	}
	return 0;
}

static int link_disks(const Holdfast__Vm *source, Holdfast__Vm *vm, struct error *err)
{
	char parent[140];

	for (size_t i = 0; i < source->n_disks; i++) {
		const Holdfast__Disk *disk = source->disks[i];
		if (disk->parent[0])
			return error_set(err, ERROR_USAGE,
				"disk %s of template %s lies over %.200s itself: make a full clone (without "
				"--linked)",
				disk->name, source->name, disk->parent);
		snprintf(parent, sizeof(parent), "%s.%s", source->name, disk->name);
		if (proto_set_text(&vm->disks[i]->parent, parent, err))
			return -1;
		vm->disks[i]->parent_format = disk->format;
		vm->disks[i]->format = HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	}
	return 0;
}

int clone_definition(
	const Holdfast__GroupSpec *spec, const Holdfast__VmClone *wish, Holdfast__Vm **vm, struct error *err)
{
	const Holdfast__Vm *source = find(spec, wish->name);

	if (!source)
		return error_set(err, ERROR_NOT_FOUND, "there is no VM %.63s in group %s", wish->name,
			spec->group->name);
	if (name_check("VM", wish->clone, err))
		return -1;
	if (wish->linked && !source->template_)
		return error_set(err, ERROR_UNSAFE,
			"VM %s is no template: what it writes would change its linked clones; make it one "
			"(holdfast vm "
			"template %s), or make a full clone",
			source->name, source->name);
	Holdfast__Vm *made = (Holdfast__Vm *)proto_copy(&source->base);
	if (!made)
		return error_set_errno(err, ENOMEM, "a definition");
	if (proto_set_text(&made->name, wish->clone, err) || without_identity(made, err) || alone(made, err) ||
		(wish->linked && link_disks(source, made, err))) {
		holdfast__vm__free_unpacked(made, NULL);
		return -1;
	}
	*vm = made;
	return 0;
}

int clone_imported(Holdfast__Vm *vm, const Holdfast__VmImport *wish, struct error *err)
{
	if (proto_set_text(&vm->group, wish->group, err) || (wish->name[0] && proto_set_text(&vm->name, wish->name, err)) ||
		name_check("VM", vm->name, err) || alone(vm, err))
		return -1;
	return wish->keep_identity ? 0 : without_identity(vm, err);
}

int clone_exported(const Holdfast__Vm *vm, Holdfast__Vm **exported, struct error *err)
{
	Holdfast__Vm *made = (Holdfast__Vm *)proto_copy(&vm->base);

	if (!made)
		return error_set_errno(err, ENOMEM, "a definition");
	if (proto_set_text(&made->group, "", err) || alone(made, err)) {
		holdfast__vm__free_unpacked(made, NULL);
		return -1;
	}
	*exported = made;
	return 0;
}

const char *clone_user(const Holdfast__GroupSpec *spec, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < spec->n_vms; i++)
		for (size_t k = 0; k < spec->vms[i]->n_disks; k++) {
			const char *parent = spec->vms[i]->disks[k]->parent;
			if (!strncmp(parent, name, length) && parent[length] == '.')
				return spec->vms[i]->name;
		}
	return NULL;
}

static const Holdfast__Vm *lies_over(const Holdfast__GroupSpec *spec, const char *parent)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		for (size_t k = 0; k < spec->vms[i]->n_disks; k++)
			if (!strcmp(spec->vms[i]->disks[k]->parent, parent))
				return spec->vms[i];
	return NULL;
}

int clone_check_set(const Holdfast__GroupSpec *spec, const Holdfast__Vm *before, const Holdfast__Vm *after,
	struct error *err)
{
	char parent[140];

	for (size_t i = 0; i < before->n_disks; i++) {
		const Holdfast__Disk *disk = before->disks[i];
		if (pending_disk_in(after, disk))
			continue;
		snprintf(parent, sizeof(parent), "%s.%s", before->name, disk->name);
		const Holdfast__Vm *user = lies_over(spec, parent);
		if (user)
			return error_set(err, ERROR_UNSAFE,
				"a disk of VM %s lies over disk %s of template %s: delete that VM first",
				user->name, disk->name, before->name);
	}
	return 0;
}
