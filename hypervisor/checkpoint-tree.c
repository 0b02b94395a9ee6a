// SPDX-License-Identifier: GPL-3.0-or-later
// See checkpoint-tree.h. The tree is small: everything is looked for from its beginning.
#include "hypervisor/checkpoint-tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/name.h"
#include "proto/json.h"
#include "proto/text.h"

Holdfast__CheckpointTree *checkpoint_tree_new(const char *uuid, struct error *err)
{
	Holdfast__CheckpointTree *tree = malloc(sizeof(*tree));
	if (!tree) {
		error_set(err, ERROR_FAILED, "no memory for checkpoints");
		return NULL;
	}
	holdfast__checkpoint_tree__init(tree);
	tree->version = CHECKPOINT_VERSION;
	if (!proto_set_text(&tree->uuid, uuid, err))
		return tree;
	checkpoint_tree_free(tree);
	return NULL;
}

void checkpoint_tree_free(Holdfast__CheckpointTree *tree)
{
	if (tree)
		holdfast__checkpoint_tree__free_unpacked(tree, NULL);
}

static Holdfast__CheckpointRecord *by_id(const Holdfast__CheckpointTree *tree, const char *id)
{
	for (size_t i = 0; i < tree->n_records; i++)
		if (!strcmp(tree->records[i]->id, id))
			return tree->records[i];
	return NULL;
}

// ---- what was read

static bool known_or_none(const Holdfast__CheckpointTree *tree, const char *id)
{
	return !id[0] || by_id(tree, id);
}

static int check_record(const Holdfast__CheckpointTree *tree, const Holdfast__CheckpointRecord *record, struct error *err)
{
	const Holdfast__CheckpointRecord *above = record;
	size_t depth = 0;
	if (!name_valid(record->id) || !name_valid(record->name) || by_id(tree, record->id) != record)
		return error_set(err, ERROR_UNSAFE, "the list of checkpoints is damaged: \"%.40s\"", record->id);
	if (!record->wanted || (record->memory && !record->running))
		return error_set(
			err, ERROR_UNSAFE, "the list of checkpoints is damaged: %s has no definition", record->id);
	while (above && above->parent[0] && depth++ <= tree->n_records)
		above = by_id(tree, above->parent);
	if (!above || depth > tree->n_records)
		return error_set(err, ERROR_UNSAFE, "the list of checkpoints is damaged: %s has no way to a root",
			record->id);
	return 0;
}

int checkpoint_tree_check(const Holdfast__CheckpointTree *tree, struct error *err)
{
	if (tree->version != CHECKPOINT_VERSION)
		return error_set(err, ERROR_UNSAFE,
			"the list of checkpoints has version %" PRIu32 "; this program knows %d", tree->version,
			CHECKPOINT_VERSION);
	for (size_t i = 0; i < tree->n_records; i++)
		if (check_record(tree, tree->records[i], err))
			return -1;
	if (!known_or_none(tree, tree->current) || !known_or_none(tree, tree->applying) ||
		!known_or_none(tree, tree->resume))
		return error_set(err, ERROR_UNSAFE, "the list of checkpoints is damaged: it names one that is not there");
	return 0;
}

// ---- verbs

Holdfast__CheckpointRecord *checkpoint_find(
	const Holdfast__CheckpointTree *tree, const char *vm, const char *which, struct error *err)
{
	if (!which[0] && !tree->current[0]) {
		error_set(err, ERROR_NOT_FOUND, "VM %s has no checkpoint to revert to: holdfast checkpoint list %s",
			vm, vm);
		return NULL;
	}
	const char *wanted = which[0] ? which : tree->current;
	for (size_t i = 0; i < tree->n_records; i++)
		if (!strcmp(tree->records[i]->id, wanted) || !strcmp(tree->records[i]->name, wanted))
			return tree->records[i];
	error_set(err, ERROR_NOT_FOUND, "VM %s has no checkpoint %.63s: see 'holdfast checkpoint list %s'", vm, wanted,
		vm);
	return NULL;
}

static int check_name(const Holdfast__CheckpointTree *tree, const Holdfast__Vm *vm, const char *name, struct error *err)
{
	size_t digits = name[0] == 'c' ? strspn(name + 1, "0123456789") : 0;
	if (name_check("checkpoint", name, err))
		return -1;
	if (digits && !name[1 + digits])
		return error_set(err, ERROR_USAGE, "\"%.63s\" is what a checkpoint's id looks like: choose another name",
			name);
	for (size_t i = 0; i < tree->n_records; i++)
		if (!strcmp(tree->records[i]->name, name))
			return error_set(err, ERROR_EXISTS, "VM %s has a checkpoint %s already", vm->name, name);
	return 0;
}

static int fill(Holdfast__CheckpointRecord *record, const Holdfast__CheckpointTree *tree, const Holdfast__Vm *wanted,
	const char *name, const char *created, struct error *err)
{
	char id[24];
	snprintf(id, sizeof(id), "c%" PRIu32, tree->last + 1);
	record->state = HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_TAKING;
	record->wanted = (Holdfast__Vm *)proto_copy(&wanted->base);
	if (!record->wanted)
		return error_set(err, ERROR_FAILED, "no memory for a checkpoint");
	return proto_set_text(&record->id, id, err) ||
			proto_set_text(&record->name, name[0] ? name : id, err) ||
			proto_set_text(&record->parent, tree->current, err) ||
			proto_set_text(&record->created, created, err)
		? -1
		: 0;
}

Holdfast__CheckpointRecord *checkpoint_add(Holdfast__CheckpointTree *tree, const Holdfast__Vm *wanted, const char *name,
	const char *created, struct error *err)
{
	if (name[0] && check_name(tree, wanted, name, err))
		return NULL;
	if (tree->n_records >= CHECKPOINTS_MAX) {
		error_set(err, ERROR_NO_SPACE, "VM %s has %zu checkpoints, and %d are possible: delete one first",
			wanted->name, tree->n_records, CHECKPOINTS_MAX);
		return NULL;
	}
	Holdfast__CheckpointRecord **more = reallocarray(tree->records, tree->n_records + 1, sizeof(*more));
	Holdfast__CheckpointRecord *record = malloc(sizeof(*record));
	if (more)
		tree->records = more;
	if (!more || !record) {
		free(record);
		error_set(err, ERROR_FAILED, "no memory for a checkpoint");
		return NULL;
	}
	holdfast__checkpoint_record__init(record);
	if (fill(record, tree, wanted, name, created, err)) {
		holdfast__checkpoint_record__free_unpacked(record, NULL);
		return NULL;
	}
	tree->last++;
	tree->records[tree->n_records++] = record;
	return record;
}

int checkpoint_complete(Holdfast__CheckpointTree *tree, Holdfast__CheckpointRecord *record, struct error *err)
{
	record->state = HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_COMPLETE;
	return proto_set_text(&tree->current, record->id, err);
}

static bool is_below(const Holdfast__CheckpointTree *tree, const Holdfast__CheckpointRecord *record, const char *id)
{
	for (const Holdfast__CheckpointRecord *above = record; above; above = by_id(tree, above->parent))
		if (!strcmp(above->id, id))
			return true;
	return false;
}

int checkpoint_mark(Holdfast__CheckpointTree *tree, Holdfast__CheckpointRecord *record, enum checkpoint_extent extent,
	struct error *err)
{
	const char *id = record->id;
	for (size_t i = 0; i < tree->n_records; i++) {
		Holdfast__CheckpointRecord *one = tree->records[i];
		bool meant = one == record || (extent == CHECKPOINT_SUBTREE && is_below(tree, one, id));
		if (meant && tree->resume[0] && !strcmp(tree->resume, one->id))
			return error_set(err, ERROR_UNSAFE,
				"VM %s is saved in checkpoint %s: start it first, or stop it with --force",
				record->wanted->name, one->name);
	}
	for (size_t i = 0; i < tree->n_records; i++)
		if (tree->records[i] == record || (extent == CHECKPOINT_SUBTREE && is_below(tree, tree->records[i], id)))
			tree->records[i]->state = HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_DELETING;
	return 0;
}

static bool stays(const Holdfast__CheckpointRecord *record)
{
	return record->state == HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_COMPLETE;
}

// The nearest of ID and those above it that stays; "" if there is none.
static const char *left_of(const Holdfast__CheckpointTree *tree, const char *id)
{
	const Holdfast__CheckpointRecord *record = by_id(tree, id);
	while (record && !stays(record))
		record = by_id(tree, record->parent);
	return record ? record->id : "";
}

int checkpoint_prune(Holdfast__CheckpointTree *tree, struct error *err)
{
	size_t kept = 0;
	if (proto_set_text(&tree->current, left_of(tree, tree->current), err))
		return -1;
	for (size_t i = 0; i < tree->n_records; i++)
		if (stays(tree->records[i]) &&
			proto_set_text(
				&tree->records[i]->parent, left_of(tree, tree->records[i]->parent), err))
			return -1;
	for (size_t i = 0; i < tree->n_records; i++) {
		if (stays(tree->records[i]))
			tree->records[kept++] = tree->records[i];
		else
			holdfast__checkpoint_record__free_unpacked(tree->records[i], NULL);
	}
	tree->n_records = kept;
	return 0;
}

bool checkpoint_unsettled(const Holdfast__CheckpointTree *tree)
{
	for (size_t i = 0; i < tree->n_records; i++)
		if (!stays(tree->records[i]))
			return true;
	return tree->applying[0] != '\0';
}
