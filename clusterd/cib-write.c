// SPDX-License-Identifier: GPL-3.0-or-later
// What shall be: every verb reads what it depends on, makes one fragment, and merges it on condition that the CIB has not changed meanwhile
// (else it reads again). So two clusterds, or a handler and a clusterd, cannot undo each other. Removals that belong to a merge are marked in
// it (empty value, score -INFINITY) and tidied after it.
#include "clusterd/cib-internal.h"

#include <stdlib.h>
#include <string.h>
#include <crm/msg_xml.h>
#include "common/cleanup.h"
#include "common/loop.h"
#include "common/name.h"
#include "common/spawn.h"
#include "common/task.h"
#include "proto/json.h"

#define CIB_ATTEMPTS 50
#define TARGET_XPATH "/cib/configuration/resources/primitive[@id='%s']"
#define CURRENT_XPATH "/cib/configuration/constraints/rsc_location[@id='" CIB_CURRENT "%s']"
#define MOVE_XPATH "/cib/configuration/constraints/rsc_location[@id='" CIB_MOVE "%s']"

// ---- change on condition

// Fills FRAGMENT from what the CIB has at EPOCH.
typedef int fill_fn(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err);

static int change(struct cib *cib, const char *what, fill_fn *fill, void *data, struct error *err)
{
	for (int i = 0; i < CIB_ATTEMPTS; i++) {
		cleanup_xml xmlNode *fragment = cib_xml_new();
		struct error why = ERROR_INIT;
		uint64_t epoch;
		if (cib_epoch(cib, &epoch, &why) == 0) {
			int filled = fill(cib, epoch, fragment, data, &why);
			if (filled == 0 && cib_modify_at(cib, epoch, fragment, &why) == 0)
				return 0;
			if (filled == 0 && why.code == ERROR_NOT_FOUND)
				continue; // it changed under us
		}
		error_copy(err, &why);
		return error_prefix(err, "%s", what);
	}
	return error_set(err, ERROR_BUSY, "%s: the CIB changes too fast: try again", what);
}

// 1 with *xml, 0 if nothing matches, -1.
static int find(
	struct cib *cib, const char *format, const char *name, int options, xmlNode **xml, struct error *err)
{
	char xpath[CIB_XPATH_BYTES];
	struct error why = ERROR_INIT;

	snprintf(xpath, sizeof(xpath), format, name);
	if (cib_get(cib, xpath, options, xml, &why) == 0)
		return 1;
	if (why.code == ERROR_NOT_FOUND)
		return 0;
	error_copy(err, &why);
	return -1;
}

static int must_exist(struct cib *cib, const char *group, struct error *err)
{
	cleanup_xml xmlNode *primitive = NULL;
	int found = find(cib, TARGET_XPATH, group, cib_no_children, &primitive, err);

	if (found < 0)
		return -1;
	return found ? 0 : error_set(err, ERROR_NOT_FOUND, "there is no group %s in this cluster", group);
}

// ---- cluster and nodes

// What Pacemaker must do for Holdfast to be safe, and what keeps it quick. Administrators see and may change them.
static const char *const options[][2] = {
	{ "no-quorum-policy", "suicide" }, // a node whose I/O is frozen cannot clean up in any other way
	{ "stonith-enabled", "true" }, // and without a device nothing is started
	{ "startup-fencing", "true" },
	{ "concurrent-fencing", "true" },
	{ "dc-deadtime", "5s" },
	{ "cluster-recheck-interval", "5min" },
	{ "load-threshold", "1000%" }, // waiting for a guest is not load
	{ "node-action-limit", "50" },
};

struct options {
	const char *cluster_name, *witness;
};

static int fill_options(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const struct options *wish = data;
	json_t *json = json_pack(
		"{s:s, s:s}", "name", wish->cluster_name, "witness", wish->witness ? wish->witness : "");
	cleanup_free char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		return error_set(err, ERROR_USAGE, "the cluster's name or witness is not UTF-8");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		cib_xml_set_value(fragment, CIB_OPTIONS_SET, options[i][0], options[i][1]);
	cib_xml_set_value(fragment, CIB_OPTIONS_SET, "cluster-name", wish->cluster_name);
	cib_xml_set_value(fragment, CIB_CLUSTER "-set", CIB_CLUSTER, text);
	return 0;
}

int cib_set_options(struct cib *cib, const char *cluster_name, const char *witness, struct error *err)
{
	struct options wish = { cluster_name, witness };

	return change(cib, "cannot set the cluster's options", fill_options, &wish, err);
}

static int fill_cpu_model(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	(void)cib, (void)epoch, (void)err;
	cib_xml_set_value(fragment, CIB_CLUSTER "-set", CIB_CPU_MODEL, data);
	return 0;
}

int cib_set_cpu_model(struct cib *cib, const char *model, struct error *err)
{
	return change(cib, "cannot set the cluster's CPU model", fill_cpu_model, (void *)model, err);
}

static int fill_node(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const Holdfast__Node *node = data;
	cleanup_free char *json = proto_to_json_text(&node->base);
	char name[128];

	snprintf(name, sizeof(name), CIB_NODE "%s", node->name);
	cib_xml_set_value(fragment, CIB_NODES, name, json);
	return 0;
}

int cib_set_node(struct cib *cib, const Holdfast__Node *node, struct error *err)
{
	if (name_check("node", node->name, err) < 0)
		return -1;
	return change(cib, "cannot record the node", fill_node, (void *)node, err);
}

struct standby {
	const Holdfast__Node *node;
	bool on;
};

static int fill_standby(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const struct standby *wish = data;

	(void)cib, (void)epoch, (void)err;
	cib_xml_set_standby(fragment, wish->node, wish->on);
	return 0;
}

int cib_set_standby(struct cib *cib, const Holdfast__Node *node, bool on, struct error *err)
{
	struct standby wish = { node, on };

	return change(cib, on ? "cannot put the node into standby" : "cannot take the node out of standby",
		fill_standby, &wish, err);
}

// ---- role, record, move

struct placement {
	const char *group, *node;
	bool started;
};

static int fill_role(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const struct placement *wish = data;

	cib_xml_set_target_role(fragment, wish->group, wish->started);
	return must_exist(cib, wish->group, err);
}

int cib_set_target_role(struct cib *cib, const char *group, bool started, struct error *err)
{
	struct placement wish = { .group = group, .started = started };

	if (name_check("group", group, err) < 0)
		return -1;
	return change(
		cib, started ? "cannot start the group" : "cannot stop the group", fill_role, &wish, err);
}

// The record is the arbiter between two nodes that both want to go on: the first one stands until it is cleared by name.
static int fill_current(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const struct placement *wish = data;
	cleanup_xml xmlNode *record = NULL, *move = NULL;
	int recorded = find(cib, CURRENT_XPATH, wish->group, 0, &record, err);

	if (recorded < 0 || must_exist(cib, wish->group, err) < 0)
		return -1;
	const char *other = recorded ? cib_xml_only(record) : NULL;
	if (recorded && (!other || strcmp(other, wish->node)))
		return error_set(err, ERROR_UNSAFE,
			"only %s has current data of group %s: the record is cleared after a resync",
			other ? other : "another node", wish->group);
	int moving = find(cib, MOVE_XPATH, wish->group, 0, &move, err);
	if (moving < 0)
		return -1;
	// also when it is there already: the call then shows that the cluster takes changes from this node
	cib_xml_add_current(fragment, wish->group, wish->node);
	const char *to = moving ? cib_xml_only(move) : NULL;
	if (to && strcmp(to, wish->node)) // it cannot go there any more
		cib_xml_add_move(fragment, wish->group, wish->node);
	return 0;
}

static int remove_constraint(struct cib *cib, const char *prefix, const char *group, struct error *err)
{
	char xpath[CIB_XPATH_BYTES];

	snprintf(xpath, sizeof(xpath), "/cib/configuration/constraints/rsc_location[@id='%s%s']", prefix,
		group);
	return cib_remove(cib, xpath, err);
}

int cib_set_current(struct cib *cib, const char *group, const char *node, struct error *err)
{
	struct placement wish = { .group = group, .node = node };

	if (name_check("group", group, err) < 0 || (node && name_check("node", node, err) < 0))
		return -1;
	if (!node)
		return remove_constraint(cib, CIB_CURRENT, group, err);
	return change(cib, "cannot record who has current data", fill_current, &wish, err);
}

int cib_clear_current(struct cib *cib, const char *group, uint64_t epoch, struct error *err)
{
	cleanup_xml xmlNode *record = NULL;
	char xpath[CIB_XPATH_BYTES];

	if (name_check("group", group, err) < 0)
		return -1;
	snprintf(xpath, sizeof(xpath),
		"/cib[@admin_epoch='%llu' and "
		"@epoch='%llu']/configuration/constraints/rsc_location[@id='" CIB_CURRENT "%s']",
		(unsigned long long)(epoch >> CIB_EPOCH_BITS),
		(unsigned long long)(epoch & ((1ULL << CIB_EPOCH_BITS) - 1)), group);
	if (cib_remove(cib, xpath, err) < 0)
		return -1;
	int left = find(cib, CURRENT_XPATH, group, cib_no_children, &record, err);
	return left > 0
		? error_set(err, ERROR_BUSY,
			  "the CIB changed meanwhile: look again before the record of %s is cleared", group)
		: left;
}

static int fill_move(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	const struct placement *wish = data;
	cleanup_xml xmlNode *record = NULL;
	int recorded = find(cib, CURRENT_XPATH, wish->group, 0, &record, err);

	if (recorded < 0 || must_exist(cib, wish->group, err) < 0)
		return -1;
	const char *only = recorded ? cib_xml_only(record) : NULL;
	if (recorded && (!only || strcmp(only, wish->node)))
		return error_set(err, ERROR_UNSAFE,
			"only %s has current data of group %s: wait until its other replica is in sync",
			only ? only : "another node", wish->group);
	cib_xml_add_move(fragment, wish->group, wish->node);
	return 0;
}

int cib_set_move(struct cib *cib, const char *group, const char *to, struct error *err)
{
	struct placement wish = { .group = group, .node = to };

	if (name_check("group", group, err) < 0 || (to && name_check("node", to, err) < 0))
		return -1;
	if (!to)
		return remove_constraint(cib, CIB_MOVE, group, err);
	return change(cib, "cannot place the group", fill_move, &wish, err);
}

// ---- fencing

static int check_device(const Holdfast__FenceDevice *device, struct error *err)
{
	if (name_check("node", device->node, err) < 0)
		return -1;
	if (!device->agent[0] ||
		device->agent[strspn(
			device->agent, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
		return error_set(err, ERROR_USAGE, "\"%s\" is no fence agent: name one as fence_ipmilan",
			device->agent);
	for (size_t i = 0; i < device->n_options; i++) {
		size_t name = strspn(device->options[i],
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
		if (!name || device->options[i][name] != '=')
			return error_set(
				err, ERROR_USAGE, "option %zu of the fence device is not NAME=VALUE", i + 1);
	}
	return 0;
}

static int fill_device(struct cib *cib, uint64_t epoch, xmlNode *fragment, void *data, struct error *err)
{
	cib_xml_add_fence(fragment, data);
	return 0;
}

int cib_set_fence_device(struct cib *cib, const Holdfast__FenceDevice *device, struct error *err)
{
	struct error why = ERROR_INIT;

	if (check_device(device, err) < 0)
		return -1;
	// merging would keep old options
	if (cib_delete_fence_device(cib, device->node, &why) < 0 && why.code != ERROR_NOT_FOUND)
		return error_copy(err, &why);
	return change(cib, "cannot set the fence device", fill_device, (void *)device, err);
}

int cib_delete_fence_device(struct cib *cib, const char *node, struct error *err)
{
	char xpath[CIB_XPATH_BYTES];
	cleanup_xml xmlNode *device = NULL;

	if (name_check("node", node, err) < 0)
		return -1;
	int found = find(cib, "/cib/configuration/resources/primitive[@id='" CIB_FENCE "%s']", node,
		cib_no_children, &device, err);
	if (found <= 0)
		return found < 0 ? -1 : error_set(err, ERROR_NOT_FOUND, "node %s has no fence device", node);
	snprintf(xpath, sizeof(xpath),
		"/cib/configuration/resources/primitive[@id='" CIB_FENCE "%s'] | "
		"/cib/configuration/constraints/rsc_location[@id='" CIB_FENCE_AWAY "%s']",
		node, node);
	return cib_remove(cib, xpath, err);
}

// ---- failures

// The controller's and the attribute manager's protocols are no installed interface of Pacemaker; its tool is.
static int crm_resource(
	struct cib *cib, const char *verb, const char *group, const char *node, struct error *err)
{
	const char *argv[] = { "crm_resource", verb, "--resource", group, node ? "--node" : NULL, node,
		NULL };

	if (name_check("group", group, err) < 0 || (node && name_check("node", node, err) < 0))
		return -1;
	return task_self() ? spawn_run(argv, cib->timeout_ms, NULL, err)
			   : spawn_run_blocking(argv, cib->timeout_ms, NULL, err);
}

static int forget_finished_move(struct cib *cib, const char *name, struct error *err)
{
	struct cib_snapshot *snapshot = NULL;

	if (cib_snapshot(cib, &snapshot, err) < 0)
		return -1;
	const struct cib_group *group = cib_snapshot_group(snapshot, name);
	int result = group && group->moved_from ? cib_forget_history(cib, name, group->moved_from, err) : 0;
	cib_snapshot_free(snapshot);
	return result;
}

int cib_cleanup(struct cib *cib, const char *group, const char *node, struct error *err)
{
	if (!node && forget_finished_move(cib, group, err) < 0)
		return -1;
	return crm_resource(cib, "--cleanup", group, node, err);
}

int cib_forget_history(struct cib *cib, const char *group, const char *node, struct error *err)
{
	return crm_resource(cib, "--refresh", group, node, err);
}
