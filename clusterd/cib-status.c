// SPDX-License-Identifier: GPL-3.0-or-later
// Pacemaker's view of nodes, groups and fence devices: the one file that uses libpe_status, whose names change with every major
// version. Definitions are there already when it fills in the status.
#include "clusterd/cib-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <crm/services.h>
#include <crm/msg_xml.h>
#include <crm/pengine/status.h>
#include "common/cleanup.h"

#define ACTIVE_MAX (sizeof(((struct cib_group *)NULL)->active_on) / sizeof(char *) - 1)

// ---- groups

static char *describe(const xmlNode *op)
{
	const char *task = crm_element_value(op, XML_LRM_ATTR_TASK),
		   *node = crm_element_value(op, XML_ATTR_UNAME);
	const char *reason = crm_element_value(op, XML_LRM_ATTR_EXIT_REASON);
	char *text = NULL;
	int rc = 0;

	crm_element_value_int(op, XML_LRM_ATTR_RC, &rc);
	if (asprintf(&text, "%s on %s failed: %s", task ? task : "an action", node ? node : "a node",
		    reason && reason[0] ? reason : services_ocf_exitcode_str(rc)) < 0)
		return NULL;
	return text;
}

// The latest failure of this resource that Pacemaker remembers.
static const xmlNode *last_failure(const pe_working_set_t *set, const char *id)
{
	const xmlNode *latest = NULL;
	long long latest_time = -1;

	for (xmlNode *op = cib_xml_first(set->failed, NULL); op; op = cib_xml_next(op, NULL)) {
		const char *resource = crm_element_value(op, XML_LRM_ATTR_RSCID);
		long long when = 0;
		crm_element_value_ll(op, XML_RSC_OP_LAST_CHANGE, &when);
		if (resource && !strcmp(resource, id) && when > latest_time) {
			latest = op;
			latest_time = when;
		}
	}
	return latest;
}

static void fill_failure(struct cib_group *group, const xmlNode *op)
{
	const char *task = crm_element_value(op, XML_LRM_ATTR_TASK),
		   *node = crm_element_value(op, XML_ATTR_UNAME);
	long long when = 0;

	group->failure = describe(op);
	if (crm_element_value_ll(op, XML_RSC_OP_LAST_CHANGE, &when) == 0)
		group->failed_at = when;
	if (task && node && (!strcmp(task, "migrate_to") || !strcmp(task, "migrate_from")))
		group->move_failed = strdup(node);
}

static bool wanted_started(const pe_resource_t *resource)
{
	const char *role = g_hash_table_lookup(resource->meta, XML_RSC_ATTR_TARGET_ROLE);

	return !role || text2role(role) != RSC_ROLE_STOPPED;
}

// A monitor that is pending where the group is not changes nothing. Pacemaker keeps it as pending for good when what it looked at was found to be
// gone, as after a move whose target was lost at its end.
static bool is_pending(const pe_resource_t *resource, const xmlNode *status)
{
	if (!resource->pending_task || strcmp(resource->pending_task, "monitor"))
		return resource->pending_task;
	for (GList *on = resource->running_on; on; on = on->next)
		if (((const pe_node_t *)on->data)->details == resource->pending_node->details)
			return true;
	return cib_history_acts(status, resource->id);
}

static void fill_group(struct cib_group *group, const pe_working_set_t *set)
{
	const pe_resource_t *resource = pe_find_resource(set->resources, group->spec->group->name);
	size_t count = 0;

	if (!resource)
		return;
	group->wanted_started = wanted_started(resource);
	for (GList *on = resource->running_on; on && count < ACTIVE_MAX; on = on->next)
		group->active_on[count++] = strdup(((const pe_node_t *)on->data)->details->uname);
	group->blocked = pcmk_is_set(resource->flags, pe_rsc_block);
	const xmlNode *status = cib_xml_first(set->input, XML_CIB_TAG_STATUS);
	const char *moved_from = cib_history_moved_from(status, resource->id);
	const char *leaving = cib_history_leaving(status, resource->id);
	group->moved_from = moved_from ? strdup(moved_from) : NULL;
	group->leaving = leaving ? strdup(leaving) : NULL;
	group->pending = is_pending(resource, status) || resource->partial_migration_target || leaving;
	const xmlNode *failed = last_failure(set, resource->id);
	if (!group->failure && failed)
		fill_failure(group, failed);
	group->failed |=
		group->blocked || (group->wanted_started && !count && !group->pending && group->failure);
}

// ---- nodes

static struct cib_node *find_node(struct cib_snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->node_count; i++)
		if (!strcmp(snapshot->nodes[i].node->name, name))
			return &snapshot->nodes[i];
	return NULL;
}

// A node that Pacemaker knows and no administrator joined: shown, so that it does not go unnoticed.
static struct cib_node *add_node(struct cib_snapshot *snapshot, const pe_node_t *node)
{
	struct cib_node *nodes = reallocarray(snapshot->nodes, snapshot->node_count + 1, sizeof(*nodes));
	Holdfast__Node *definition = nodes ? malloc(sizeof(*definition)) : NULL;

	if (nodes)
		snapshot->nodes = nodes;
	if (!definition)
		return NULL;
	holdfast__node__init(definition);
	definition->name = strdup(node->details->uname);
	definition->nodeid = (uint32_t)strtoul(node->details->id, NULL, 10);
	nodes[snapshot->node_count] = (struct cib_node){ .node = definition };
	return &nodes[snapshot->node_count++];
}

static int fill_nodes(struct cib_snapshot *snapshot, const pe_working_set_t *set)
{
	for (GList *item = set->nodes; item; item = item->next) {
		const pe_node_t *node = item->data;
		struct cib_node *known = find_node(snapshot, node->details->uname);
		if (!known && !(known = add_node(snapshot, node)))
			return -1;
		known->online = node->details->online;
		known->clean = !node->details->unclean && !node->details->unseen;
		known->pending = node->details->pending;
		known->standby = node->details->standby && !node->details->pending;
		known->maintenance = node->details->maintenance;
	}
	return 0;
}

// ---- fence devices

static const char *device_option(const pe_resource_t *device, const char *name)
{
	for (xmlNode *set = cib_xml_first(device->xml, XML_TAG_ATTR_SETS); set;
		set = cib_xml_next(set, XML_TAG_ATTR_SETS)) {
		const char *value = cib_xml_value(set, name);
		if (value)
			return value;
	}
	return NULL;
}

// Whether LIST, of words separated by space, comma or semicolon, has NAME; END is what may follow it there.
static bool list_has(const char *list, const char *name, char end)
{
	size_t length = strlen(name);

	for (const char *word = list; word && *word; word += strcspn(word, " \t,;")) {
		word += strspn(word, " \t,;");
		if (!strncmp(word, name, length) &&
			(word[length] == end || (!end && strchr(" \t,;", word[length]))))
			return true;
	}
	return false;
}

static bool can_fence(const pe_resource_t *device, const char *node)
{
	const char *list = device_option(device, "pcmk_host_list"),
		   *map = device_option(device, "pcmk_host_map");

	if (list || map)
		return list_has(list, node, '\0') || list_has(map, node, ':');
	return !strncmp(device->id, CIB_FENCE, strlen(CIB_FENCE)) &&
		!strcmp(device->id + strlen(CIB_FENCE), node);
}

static bool is_fence_device(const pe_resource_t *resource)
{
	const char *class = crm_element_value(resource->xml, XML_AGENT_ATTR_CLASS);

	return class && !strcmp(class, "stonith");
}

static char *device_state(const pe_resource_t *device, const pe_working_set_t *set)
{
	const xmlNode *failure = last_failure(set, device->id);
	char *state = NULL;
	int length;

	if (failure)
		return describe(failure);
	if (!device->running_on)
		return strdup(wanted_started(device) ? "not monitored yet" : "disabled");
	length = asprintf(
		&state, "monitored on %s", ((const pe_node_t *)device->running_on->data)->details->uname);
	return length < 0 ? NULL : state;
}

static void add_options(Holdfast__FenceDevice *message, const pe_resource_t *device)
{
	xmlNode *set = cib_xml_first(device->xml, XML_TAG_ATTR_SETS);
	size_t count = 0;

	for (xmlNode *pair = cib_xml_first(set, NULL); pair; pair = cib_xml_next(pair, NULL))
		count++;
	message->options = calloc(count + 1, sizeof(char *));
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair && message->options;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR)) {
		char *option = NULL;
		if (asprintf(&option, "%s=%s", crm_element_value(pair, XML_NVPAIR_ATTR_NAME),
			    crm_element_value(pair, XML_NVPAIR_ATTR_VALUE)) >= 0)
			message->options[message->n_options++] = option;
	}
}

static int add_device(struct cib_snapshot *snapshot, const pe_resource_t *device, const pe_working_set_t *set)
{
	Holdfast__FenceDevice **devices =
		reallocarray(snapshot->fence_devices, snapshot->fence_device_count + 1, sizeof(*devices));
	Holdfast__FenceDevice *message = devices ? malloc(sizeof(*message)) : NULL;
	const char *agent = crm_element_value(device->xml, XML_ATTR_TYPE);

	if (devices)
		snapshot->fence_devices = devices;
	if (!message)
		return -1;
	holdfast__fence_device__init(message);
	message->agent = strdup(agent ? agent : "");
	message->state = device_state(device, set);
	add_options(message, device);
	devices[snapshot->fence_device_count++] = message;
	const char *node =
		!strncmp(device->id, CIB_FENCE, strlen(CIB_FENCE)) ? device->id + strlen(CIB_FENCE) : "";
	for (size_t i = 0; i < snapshot->node_count; i++) {
		struct cib_node *known = &snapshot->nodes[i];
		if (!can_fence(device, known->node->name))
			continue;
		if (!known->fence_device && wanted_started(device))
			known->fence_device = strdup(device->id);
		if (!node[0])
			node = known->node->name;
	}
	message->node = strdup(node);
	return 0;
}

// ---- all

static int fill(struct cib_snapshot *snapshot, pe_working_set_t *set, struct error *err)
{
	snapshot->quorate = pcmk_is_set(set->flags, pe_flag_have_quorum);
	if (set->dc_node)
		snapshot->dc = strdup(set->dc_node->details->uname);
	for (size_t i = 0; i < snapshot->group_count; i++)
		fill_group(&snapshot->groups[i], set);
	if (fill_nodes(snapshot, set) < 0)
		return error_set(err, ERROR_FAILED, "no memory for the nodes' status");
	for (GList *item = set->resources; item; item = item->next)
		if (is_fence_device(item->data) && add_device(snapshot, item->data, set) < 0)
			return error_set(err, ERROR_FAILED, "no memory for the fence devices' status");
	return 0;
}

int cib_status_fill(struct cib_snapshot *snapshot, xmlNode *cib, struct error *err)
{
	pe_working_set_t *set = pe_new_working_set();

	if (!set) {
		free_xml(cib);
		return error_set(err, ERROR_FAILED, "no memory for the cluster's status");
	}
	set->flags |= pe_flag_no_counts | pe_flag_no_compat;
	set->input = cib; // the working set owns it now
	int status = cluster_status(set)
		? fill(snapshot, set, err)
		: error_set(err, ERROR_FAILED, "Pacemaker's status cannot be read from the CIB");
	pe_free_working_set(set);
	return status;
}
