// SPDX-License-Identifier: GPL-3.0-or-later
// A VM's checkpoints as a tree: what may be added, found, made current and taken away. Pure: the tree is a message
// (proto/checkpoint.proto), checkpoint-store.h keeps it.
#ifndef HYPERVISOR_CHECKPOINT_TREE_H
#define HYPERVISOR_CHECKPOINT_TREE_H

#include <stdbool.h>
#include "common/error.h"
#include "proto/checkpoint.pb-c.h"

#define CHECKPOINTS_MAX 50
#define CHECKPOINT_VERSION 1

Holdfast__CheckpointTree *checkpoint_tree_new(const char *uuid, struct error *err) MUST_CHECK;
void checkpoint_tree_free(Holdfast__CheckpointTree *tree);
// Whether what was read makes sense: known version, ids and parents that exist, no circles.
int checkpoint_tree_check(const Holdfast__CheckpointTree *tree, struct error *err) MUST_CHECK;

// By id or name; ERROR_NOT_FOUND. "" is the current one.
Holdfast__CheckpointRecord *checkpoint_find(
	const Holdfast__CheckpointTree *tree, const char *vm, const char *which, struct error *err) MUST_CHECK;
// A new one below the current one, TAKING. NAME "": its id. The tree owns it.
Holdfast__CheckpointRecord *checkpoint_add(Holdfast__CheckpointTree *tree, const Holdfast__Vm *wanted, const char *name,
	const char *created, struct error *err) MUST_CHECK;
// It is COMPLETE, and current.
int checkpoint_complete(Holdfast__CheckpointTree *tree, Holdfast__CheckpointRecord *record, struct error *err) MUST_CHECK;
// It and, with SUBTREE, all below it are DELETING. Refused for the one whose memory the VM is to go on with.
enum checkpoint_extent { CHECKPOINT_ALONE, CHECKPOINT_SUBTREE };
int checkpoint_mark(Holdfast__CheckpointTree *tree, Holdfast__CheckpointRecord *record, enum checkpoint_extent extent,
	struct error *err) MUST_CHECK;
// Those that are not COMPLETE are gone; their children have the nearest parent that is left, and so has the VM.
int checkpoint_prune(Holdfast__CheckpointTree *tree, struct error *err) MUST_CHECK;
bool checkpoint_unsettled(const Holdfast__CheckpointTree *tree);	// something is to be finished or taken away

#endif
