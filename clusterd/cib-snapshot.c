// SPDX-License-Identifier: GPL-3.0-or-later
// One consistent read of everything: definitions and records from the CIB's configuration here, Pacemaker's status in cib-status.c, both of
// the same XML. One definition that cannot be read makes one failed group, never a cluster without status.
#include "clusterd/cib-internal.h"

#include <stdlib.h>
#include <string.h>
#include <crm/msg_xml.h>
#include <jansson.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/json.h"

// ---- groups

// What cannot be read is shown with its name and the reason.
static Holdfast__GroupSpec *nameless(const char *name, uint64_t epoch)
{
	Holdfast__GroupSpec *spec = malloc(sizeof(*spec));
	Holdfast__Group *group = malloc(sizeof(*group));

	if (!spec || !group) {
		free(spec);
		free(group);
		return NULL;
	}
	holdfast__group_spec__init(spec);
	holdfast__group__init(group);
	group->name = strdup(name);
	spec->group = group;
	spec->epoch = epoch;
	return spec;
}

static int add_group(struct cib_snapshot *snapshot, const xmlNode *set, struct error *err)
{
	struct cib_group *groups = reallocarray(snapshot->groups, snapshot->group_count + 1, sizeof(*groups));
	const char *name = cib_xml_id(set) + strlen(CIB_GROUP_SET);
	struct error why = ERROR_INIT;

	if (!groups)
		return error_set(err, ERROR_FAILED, "no memory for the groups");
	snapshot->groups = groups;
	struct cib_group *group = &groups[snapshot->group_count];
	memset(group, 0, sizeof(*group));
	if (cib_xml_read_group(set, snapshot->epoch, &group->spec, &why) < 0) {
		group->spec = nameless(name, snapshot->epoch);
		group->failed = true;
		group->failure = strdup(why.message);
		log_error("group=%s %s", name, why.message);
	}
	if (!group->spec)
		return error_set(err, ERROR_FAILED, "no memory for group %s", name);
	snapshot->group_count++;
	return 0;
}

static struct cib_group *group_of(struct cib_snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->group_count; i++)
		if (!strcmp(snapshot->groups[i].spec->group->name, name))
			return &snapshot->groups[i];
	return NULL;
}

// The two records are constraints "GROUP only on NODE".
static void read_constraint(struct cib_snapshot *snapshot, const xmlNode *location)
{
	const char *id = cib_xml_id(location), *group_name = crm_element_value(location, XML_LOC_ATTR_SOURCE);
	const char *node = cib_xml_only(location);
	struct cib_group *group = group_name && node ? group_of(snapshot, group_name) : NULL;

	if (!group)
		return;
	if (!strncmp(id, CIB_CURRENT, strlen(CIB_CURRENT)) && !group->current)
		group->current = strdup(node);
	else if (!strncmp(id, CIB_MOVE, strlen(CIB_MOVE)) && !group->move_to)
		group->move_to = strdup(node);
}

// ---- nodes and cluster

static int add_node(struct cib_snapshot *snapshot, const xmlNode *pair, struct error *err)
{
	struct cib_node *nodes = reallocarray(snapshot->nodes, snapshot->node_count + 1, sizeof(*nodes));
	const char *value = crm_element_value(pair, XML_NVPAIR_ATTR_VALUE);
	struct error why = ERROR_INIT;

	if (!nodes)
		return error_set(err, ERROR_FAILED, "no memory for the nodes");
	snapshot->nodes = nodes;
	Holdfast__Node *node =
		(Holdfast__Node *)proto_from_json_text(&holdfast__node__descriptor, value ? value : "", &why);
	if (!node) { // Pacemaker's own record of the node still shows it
		log_error("the CIB's %s: %s", cib_xml_id(pair), why.message);
		return 0;
	}
	nodes[snapshot->node_count++] = (struct cib_node){ .node = node };
	return 0;
}

static int read_nodes(struct cib_snapshot *snapshot, const xmlNode *set, struct error *err)
{
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR))
		if (add_node(snapshot, pair, err) < 0)
			return -1;
	return 0;
}

static void read_cluster(struct cib_snapshot *snapshot, const xmlNode *set)
{
	const char *text = cib_xml_value(set, CIB_CLUSTER), *name, *witness;
	json_t *json = text ? json_loads(text, 0, NULL) : NULL;

	if (json && !json_unpack(json, "{s:s, s:s}", "name", &name, "witness", &witness)) {
		snapshot->cluster_name = strdup(name);
		snapshot->witness = strdup(witness);
	}
	json_decref(json);
	const char *model = cib_xml_value(set, CIB_CPU_MODEL);
	if (model && model[0] && strcmp(model, "host") != 0)
		snapshot->cpu_model = strdup(model);
}

// ---- the whole

static int read_definitions(struct cib_snapshot *snapshot, xmlNode *root, struct error *err)
{
	xmlNode *sets = cib_xml_at(
		root, (const char *const[]){ XML_CIB_TAG_CONFIGURATION, XML_CIB_TAG_CRMCONFIG, NULL });
	xmlNode *constraints = cib_xml_at(
		root, (const char *const[]){ XML_CIB_TAG_CONFIGURATION, XML_CIB_TAG_CONSTRAINTS, NULL });

	for (xmlNode *set = cib_xml_first(sets, XML_CIB_TAG_PROPSET); set;
		set = cib_xml_next(set, XML_CIB_TAG_PROPSET)) {
		const char *id = cib_xml_id(set);
		if (!strncmp(id, CIB_GROUP_SET, strlen(CIB_GROUP_SET)) && add_group(snapshot, set, err) < 0)
			return -1;
		if (!strcmp(id, CIB_NODES) && read_nodes(snapshot, set, err) < 0)
			return -1;
		if (!strcmp(id, CIB_CLUSTER "-set"))
			read_cluster(snapshot, set);
	}
	for (xmlNode *location = cib_xml_first(constraints, XML_CONS_TAG_RSC_LOCATION); location;
		location = cib_xml_next(location, XML_CONS_TAG_RSC_LOCATION))
		read_constraint(snapshot, location);
	return 0;
}

int cib_snapshot(struct cib *cib, struct cib_snapshot **snapshot, struct error *err)
{
	cleanup_xml xmlNode *root = NULL;

	if (cib_get(cib, NULL, 0, &root, err) < 0)
		return -1;
	struct cib_snapshot *result = calloc(1, sizeof(*result));
	if (!result)
		return error_set(err, ERROR_FAILED, "no memory for the cluster's status");
	result->epoch = cib_epoch_of(root);
	if (read_definitions(result, root, err) < 0 || cib_status_fill(result, steal_ptr(root), err) < 0) {
		cib_snapshot_free(result);
		return -1;
	}
	*snapshot = result;
	return 0;
}

void cib_snapshot_free(struct cib_snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->group_count; i++) {
		struct cib_group *group = &snapshot->groups[i];
		holdfast__group_spec__free_unpacked(group->spec, NULL);
		free(group->current);
		free(group->failure);
		free(group->move_failed);
		free(group->move_to);
		free(group->leaving);
		free(group->moved_from);
		for (size_t j = 0; group->active_on[j]; j++)
			free(group->active_on[j]);
	}
	for (size_t i = 0; i < snapshot->node_count; i++) {
		holdfast__node__free_unpacked(snapshot->nodes[i].node, NULL);
		free(snapshot->nodes[i].fence_device);
	}
	for (size_t i = 0; i < snapshot->fence_device_count; i++)
		holdfast__fence_device__free_unpacked(snapshot->fence_devices[i], NULL);
	free(snapshot->groups);
	free(snapshot->nodes);
	free(snapshot->fence_devices);
	free(snapshot->cluster_name);
	free(snapshot->dc);
	free(snapshot->witness);
	free(snapshot->cpu_model);
	free(snapshot);
}

const struct cib_group *cib_snapshot_group(const struct cib_snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->group_count; i++)
		if (!strcmp(snapshot->groups[i].spec->group->name, name))
			return &snapshot->groups[i];
	return NULL;
}

const Holdfast__Vm *cib_snapshot_vm(const struct cib_snapshot *snapshot, const char *name)
{
	for (size_t i = 0; i < snapshot->group_count; i++) {
		const Holdfast__GroupSpec *spec = snapshot->groups[i].spec;
		for (size_t j = 0; j < spec->n_vms; j++)
			if (!strcmp(spec->vms[j]->name, name))
				return spec->vms[j];
	}
	return NULL;
}
