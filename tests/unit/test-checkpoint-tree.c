// SPDX-License-Identifier: GPL-3.0-or-later
// The tree of checkpoints: what it takes, how it grows, what is left when a part of it goes.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "hypervisor/checkpoint-tree.h"
#include "proto/text.h"

static Holdfast__CheckpointTree *tree_new(void)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointTree *tree = checkpoint_tree_new("u-1", &err);
	assert_non_null(tree);
	return tree;
}

static Holdfast__CheckpointRecord *add(Holdfast__CheckpointTree *tree, const char *name)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	vm.name = (char *)"v";
	Holdfast__CheckpointRecord *record = checkpoint_add(tree, &vm, name, "2025-01-01T00:00:00.000Z", &err);
	if (!record)
		fail_msg("%s", err.message);
	assert_ok(checkpoint_complete(tree, record, &err), err);
	assert_ok(checkpoint_tree_check(tree, &err), err);
	return record;
}

static void refuse_add(Holdfast__CheckpointTree *tree, const char *name, int code)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	vm.name = (char *)"v";
	assert_null(checkpoint_add(tree, &vm, name, "", &err));
	assert_int_equal(err.code, code);
}

static void current(Holdfast__CheckpointTree *tree, const char *id)
{
	struct error err = ERROR_INIT;
	assert_ok(proto_set_text(&tree->current, id, &err), err);
}

static const char *parent_of(const Holdfast__CheckpointTree *tree, const char *which)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointRecord *record = checkpoint_find(tree, "v", which, &err);
	assert_non_null(record);
	return record->parent;
}

static void remove_one(Holdfast__CheckpointTree *tree, const char *which, enum checkpoint_extent extent)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointRecord *record = checkpoint_find(tree, "v", which, &err);
	assert_non_null(record);
	assert_ok(checkpoint_mark(tree, record, extent, &err), err);
	assert_true(checkpoint_unsettled(tree));
	assert_ok(checkpoint_prune(tree, &err), err);
	assert_false(checkpoint_unsettled(tree));
	assert_ok(checkpoint_tree_check(tree, &err), err);
}

// c1 - c2 - c3        c1 - c4 - c5
static Holdfast__CheckpointTree *two_branches(void)
{
	Holdfast__CheckpointTree *tree = tree_new();
	add(tree, "");
	add(tree, "");
	add(tree, "tip");
	current(tree, "c1");
	add(tree, "");
	add(tree, "");
	assert_string_equal(parent_of(tree, "c4"), "c1");
	return tree;
}

static void it_grows_below_the_current_one(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointTree *tree = two_branches();
	assert_string_equal(parent_of(tree, "c1"), "");
	assert_string_equal(parent_of(tree, "tip"), "c2");
	assert_string_equal(tree->current, "c5");
	assert_string_equal(checkpoint_find(tree, "v", "", &err)->id, "c5");
	assert_null(checkpoint_find(tree, "v", "c9", &err));
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	checkpoint_tree_free(tree);
}

static void one_in_the_middle_goes_and_its_children_stay(void **state)
{
	Holdfast__CheckpointTree *tree = two_branches();
	remove_one(tree, "c1", CHECKPOINT_ALONE);
	assert_int_equal(tree->n_records, 4);
	assert_string_equal(parent_of(tree, "c2"), "");
	assert_string_equal(parent_of(tree, "c4"), "");
	remove_one(tree, "c5", CHECKPOINT_ALONE);
	assert_string_equal(tree->current, "c4");
	remove_one(tree, "c4", CHECKPOINT_ALONE);
	assert_string_equal(tree->current, "");
	add(tree, "");
	assert_string_equal(tree->current, "c6"); // a number is never used again
	assert_string_equal(parent_of(tree, "c6"), "");
	checkpoint_tree_free(tree);
}

static void a_subtree_goes_whole(void **state)
{
	Holdfast__CheckpointTree *tree = two_branches();
	remove_one(tree, "c4", CHECKPOINT_SUBTREE);
	assert_int_equal(tree->n_records, 3);
	assert_string_equal(tree->current, "c1");
	remove_one(tree, "c1", CHECKPOINT_SUBTREE);
	assert_int_equal(tree->n_records, 0);
	checkpoint_tree_free(tree);
}

static void what_was_not_finished_goes(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointTree *tree = two_branches();
	tree->records[2]->state = HOLDFAST__CHECKPOINT_STATE__CHECKPOINT_TAKING;
	assert_true(checkpoint_unsettled(tree));
	assert_ok(checkpoint_prune(tree, &err), err);
	assert_null(checkpoint_find(tree, "v", "tip", &err));
	assert_string_equal(tree->current, "c5");
	checkpoint_tree_free(tree);
}

static void the_one_whose_memory_is_needed_stays(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointTree *tree = two_branches();
	assert_ok(proto_set_text(&tree->resume, "c5", &err), err);
	assert_fails(checkpoint_mark(tree, tree->records[0], CHECKPOINT_SUBTREE, &err), err, ERROR_UNSAFE);
	assert_false(checkpoint_unsettled(tree));
	checkpoint_tree_free(tree);
}

static void fifty_are_enough(void **state)
{
	Holdfast__CheckpointTree *tree = tree_new();
	for (int i = 0; i < CHECKPOINTS_MAX; i++)
		add(tree, "");
	refuse_add(tree, "", ERROR_NO_SPACE);
	remove_one(tree, "c25", CHECKPOINT_ALONE);
	assert_string_equal(parent_of(tree, "c26"), "c24");
	add(tree, "");
	refuse_add(tree, "", ERROR_NO_SPACE);
	checkpoint_tree_free(tree);
}

static void names_are_checked(void **state)
{
	Holdfast__CheckpointTree *tree = two_branches();
	refuse_add(tree, "tip", ERROR_EXISTS);
	refuse_add(tree, "c7", ERROR_USAGE);
	refuse_add(tree, "No", ERROR_USAGE);
	add(tree, "c7a");
	checkpoint_tree_free(tree);
}

static void a_damaged_tree_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__CheckpointTree *tree = two_branches();
	assert_ok(proto_set_text(&tree->records[0]->parent, "c3", &err), err); // a circle
	assert_fails(checkpoint_tree_check(tree, &err), err, ERROR_UNSAFE);
	assert_ok(proto_set_text(&tree->records[0]->parent, "c77", &err), err);
	assert_fails(checkpoint_tree_check(tree, &err), err, ERROR_UNSAFE);
	assert_ok(proto_set_text(&tree->records[0]->parent, "", &err), err);
	assert_ok(checkpoint_tree_check(tree, &err), err);
	assert_ok(proto_set_text(&tree->records[1]->id, "../x", &err), err);
	assert_fails(checkpoint_tree_check(tree, &err), err, ERROR_UNSAFE);
	assert_ok(proto_set_text(&tree->records[1]->id, "c2", &err), err);
	assert_ok(proto_set_text(&tree->applying, "c77", &err), err);
	assert_fails(checkpoint_tree_check(tree, &err), err, ERROR_UNSAFE);
	assert_ok(proto_set_text(&tree->applying, "", &err), err);
	tree->version = 2;
	assert_fails(checkpoint_tree_check(tree, &err), err, ERROR_UNSAFE);
	checkpoint_tree_free(tree);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_grows_below_the_current_one),
	cmocka_unit_test(one_in_the_middle_goes_and_its_children_stay),
	cmocka_unit_test(a_subtree_goes_whole),
	cmocka_unit_test(what_was_not_finished_goes),
	cmocka_unit_test(the_one_whose_memory_is_needed_stays),
	cmocka_unit_test(fifty_are_enough),
	cmocka_unit_test(names_are_checked),
	cmocka_unit_test(a_damaged_tree_is_refused),
};
UNIT_MAIN(tests)
