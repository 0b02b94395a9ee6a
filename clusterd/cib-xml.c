// SPDX-License-Identifier: GPL-3.0-or-later
// What we put into the CIB, as XML fragments that are merged by id. Pure: made from definitions, sent by others. Every id starts with
// "holdfast-", but for the primitives, whose ids are the names that administrators see; "." never occurs in a name and ends the group's part.
#include "clusterd/cib-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <crm/msg_xml.h>
#include "common/cleanup.h"
#include "proto/json.h"

#define ID_BYTES 224

static xmlNode *element(xmlNode *parent, const char *name, const char *id)
{
	xmlNode *xml = create_xml_node(parent, name);

	if (id)
		crm_xml_add(xml, XML_ATTR_ID, id);
	return xml;
}

// The child of this name and id, made if it is not there: several parts of a fragment meet in one section.
static xmlNode *section(xmlNode *parent, const char *name, const char *id)
{
	for (xmlNode *xml = cib_xml_first(parent, name); xml; xml = cib_xml_next(xml, name))
		if (!id || !strcmp(cib_xml_id(xml), id))
			return xml;
	return element(parent, name, id);
}

static void nvpair(xmlNode *set, const char *id, const char *name, const char *value)
{
	xmlNode *pair = element(set, XML_CIB_TAG_NVPAIR, id);

	crm_xml_add(pair, XML_NVPAIR_ATTR_NAME, name);
	crm_xml_add(pair, XML_NVPAIR_ATTR_VALUE, value);
}

// An nvpair whose id is SET's id and its own name.
static void option(xmlNode *set, const char *name, const char *value)
{
	char id[ID_BYTES];

	snprintf(id, sizeof(id), "%s.%s", cib_xml_id(set), name);
	nvpair(set, id, name, value);
}

xmlNode *cib_xml_new(void)
{
	return create_xml_node(NULL, XML_CIB_TAG_CONFIGURATION);
}

void cib_xml_set_value(xmlNode *configuration, const char *set, const char *name, const char *value)
{
	xmlNode *xml = section(section(configuration, XML_CIB_TAG_CRMCONFIG, NULL), XML_CIB_TAG_PROPSET, set);

	// ids as crm_attribute makes them in the set of options, so that both find the same nvpair
	if (strncmp(name, "holdfast-", strlen("holdfast-"))) {
		char id[ID_BYTES];
		snprintf(id, sizeof(id), "%s-%s", set, name);
		nvpair(xml, id, name, value);
	} else {
		nvpair(xml, name, name, value);
	}
}

void cib_xml_set_standby(xmlNode *configuration, const Holdfast__Node *node, bool on)
{
	char id[32], set[48], name[64];

	snprintf(id, sizeof(id), "%u", node->nodeid);
	snprintf(set, sizeof(set), "nodes-%u", node->nodeid); // ids as crm_standby makes them
	snprintf(name, sizeof(name), "nodes-%u-standby", node->nodeid);
	xmlNode *xml = section(section(configuration, XML_CIB_TAG_NODES, NULL), XML_CIB_TAG_NODE, id);
	crm_xml_add(xml, XML_ATTR_UNAME, node->name);
	nvpair(section(xml, XML_TAG_ATTR_SETS, set), name, "standby", on ? "on" : "off");
}

static void set_message(xmlNode *configuration, const char *set, const char *prefix, const char *object,
	const ProtobufCMessage *message)
{
	cleanup_free char *json = proto_to_json_text(message);
	char name[ID_BYTES];

	snprintf(name, sizeof(name), "%s%s", prefix, object);
	cib_xml_set_value(configuration, set, name, json);
}

// ---- a group

static const char *const primitive_meta[][2] = {
	{ "allow-migrate", "true" },
	{ "resource-stickiness",
		"100000" }, // more than any preferred owner: a move is an order, never the scheduler's idea
	{ "migration-threshold",
		"1" }, // restarts in place were hypervisord's: what comes here goes to another node
	{ "failure-timeout", "6h" },
};

// A failed migrate_to normally plans stop, stop, start. With "block" nothing is scheduled: the guest runs on where it is.
static const struct {
	const char *name, *interval, *timeout, *on_fail;
} operations[] = {
	{ "start", "0s", "180s", NULL },
	{ "stop", "0s", "120s", NULL },
	{ "monitor", "10s", "30s", "restart" },
	{ "migrate_to", "0s", "120s", "block" },
	{ "migrate_from", "0s", "60s", NULL },
};

static xmlNode *group_meta(xmlNode *configuration, const char *group)
{
	xmlNode *primitive =
		section(section(configuration, XML_CIB_TAG_RESOURCES, NULL), XML_CIB_TAG_RESOURCE, group);
	char id[ID_BYTES];

	snprintf(id, sizeof(id), CIB_META "%s", group);
	return section(primitive, XML_TAG_META_SETS, id);
}

void cib_xml_set_target_role(xmlNode *configuration, const char *group, bool started)
{
	option(group_meta(configuration, group), XML_RSC_ATTR_TARGET_ROLE, started ? "Started" : "Stopped");
}

static void add_operations(xmlNode *primitive, const char *group)
{
	xmlNode *list = element(primitive, "operations", NULL);

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		char id[ID_BYTES];
		snprintf(id, sizeof(id), "holdfast-op-%s.%s", group, operations[i].name);
		xmlNode *op = element(list, XML_ATTR_OP, id);
		crm_xml_add(op, "name", operations[i].name);
		crm_xml_add(op, XML_LRM_ATTR_INTERVAL, operations[i].interval);
		crm_xml_add(op, XML_ATTR_TIMEOUT, operations[i].timeout);
		if (operations[i].on_fail)
			crm_xml_add(op, XML_OP_ATTR_ON_FAIL, operations[i].on_fail);
	}
}

void cib_xml_add_primitive(xmlNode *configuration, const char *group)
{
	xmlNode *meta = group_meta(configuration, group);
	xmlNode *primitive = meta->parent;

	crm_xml_add(primitive, XML_AGENT_ATTR_CLASS, "ocf");
	crm_xml_add(primitive, XML_AGENT_ATTR_PROVIDER, "holdfast");
	crm_xml_add(primitive, XML_ATTR_TYPE, "group");
	for (size_t i = 0; i < sizeof(primitive_meta) / sizeof(primitive_meta[0]); i++)
		option(meta, primitive_meta[i][0], primitive_meta[i][1]);
	add_operations(primitive, group);
}

// ---- where it may run

void cib_xml_add_owner(xmlNode *configuration, const char *group, const char *node, const char *score)
{
	char id[ID_BYTES];

	snprintf(id, sizeof(id), CIB_POSSIBLE "%s.%s", group, node);
	xmlNode *location =
		element(section(configuration, XML_CIB_TAG_CONSTRAINTS, NULL), XML_CONS_TAG_RSC_LOCATION, id);
	crm_xml_add(location, XML_LOC_ATTR_SOURCE, group);
	crm_xml_add(location, XML_CIB_TAG_NODE, node);
	crm_xml_add(location, XML_RULE_ATTR_SCORE, score);
	crm_xml_add(location, XML_LOCATION_ATTR_DISCOVERY, "exclusive");
}

// 1000, 900, ... for the preferred owners in their order, down to 100; 0 for one that is only possible.
static int owner_score(const Holdfast__Group *group, const char *node)
{
	for (size_t i = 0; i < group->n_preferred; i++)
		if (!strcmp(group->preferred[i], node))
			return i < 10 ? 1000 - 100 * (int)i : 100;
	return 0;
}

void cib_xml_add_group(xmlNode *configuration, const Holdfast__GroupSpec *spec, uint64_t base)
{
	const Holdfast__Group *group = spec->group;
	char set[ID_BYTES], name[ID_BYTES], text[32];

	snprintf(set, sizeof(set), CIB_GROUP_SET "%s", group->name);
	snprintf(name, sizeof(name), CIB_GROUP_BASE "%s", group->name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)base);
	cib_xml_set_value(configuration, set, name, text);
	// the set's own id is the name that the layout gives to the definition, so the nvpair's id needs a tail
	cleanup_free char *json = proto_to_json_text(&group->base);
	char id[ID_BYTES + 16];
	snprintf(id, sizeof(id), "%s.definition", set);
	nvpair(section(section(configuration, XML_CIB_TAG_CRMCONFIG, NULL), XML_CIB_TAG_PROPSET, set), id,
		set, json);
	for (size_t i = 0; i < spec->n_vms; i++)
		set_message(configuration, set, CIB_VM, spec->vms[i]->name, &spec->vms[i]->base);
	for (size_t i = 0; i < group->n_possible; i++) {
		snprintf(text, sizeof(text), "%d", owner_score(group, group->possible[i]));
		cib_xml_add_owner(configuration, group->name, group->possible[i], text);
	}
}

// A rule of SCORE where the node's name is (OPERATION "eq") or is not ("ne") NODE.
static void add_rule(xmlNode *configuration, const char *prefix, const char *group, const char *node,
	const char *score, const char *operation)
{
	char id[ID_BYTES], part[ID_BYTES + 16];

	snprintf(id, sizeof(id), "%s%s", prefix, group);
	xmlNode *location =
		element(section(configuration, XML_CIB_TAG_CONSTRAINTS, NULL), XML_CONS_TAG_RSC_LOCATION, id);
	crm_xml_add(location, XML_LOC_ATTR_SOURCE, group);
	snprintf(part, sizeof(part), "%s.rule", id);
	xmlNode *rule = element(location, XML_TAG_RULE, part);
	crm_xml_add(rule, XML_RULE_ATTR_SCORE, score);
	snprintf(part, sizeof(part), "%s.node", id);
	xmlNode *expression = element(rule, XML_TAG_EXPRESSION, part);
	crm_xml_add(expression, XML_EXPR_ATTR_ATTRIBUTE, "#uname");
	crm_xml_add(expression, XML_EXPR_ATTR_OPERATION, operation);
	crm_xml_add(expression, XML_EXPR_ATTR_VALUE, node);
}

void cib_xml_add_current(xmlNode *configuration, const char *group, const char *node)
{
	add_rule(configuration, CIB_CURRENT, group, node, "-INFINITY", "ne");
}

// A wish and no ban: stronger than the stickiness, but a group whose target may not have it (a failure counted there, standby) stays where it runs,
// where a ban of all other nodes would stop it.
void cib_xml_add_move(xmlNode *configuration, const char *group, const char *node)
{
	add_rule(configuration, CIB_MOVE, group, node, "500000", "eq");
}

// ---- fencing

static void add_fence_options(xmlNode *attributes, const Holdfast__FenceDevice *device)
{
	bool hosts = false;

	for (size_t i = 0; i < device->n_options; i++) {
		const char *equals = strchr(device->options[i], '=');
		cleanup_free char *name = strndup(device->options[i], (size_t)(equals - device->options[i]));
		option(attributes, name, equals + 1);
		hosts |= !strncmp(name, "pcmk_host_", strlen("pcmk_host_"));
	}
	if (!hosts)
		option(attributes, "pcmk_host_list", device->node);
}

void cib_xml_add_fence(xmlNode *configuration, const Holdfast__FenceDevice *device)
{
	char id[ID_BYTES], part[ID_BYTES + 16];

	snprintf(id, sizeof(id), CIB_FENCE "%s", device->node);
	xmlNode *primitive =
		element(section(configuration, XML_CIB_TAG_RESOURCES, NULL), XML_CIB_TAG_RESOURCE, id);
	crm_xml_add(primitive, XML_AGENT_ATTR_CLASS, "stonith");
	crm_xml_add(primitive, XML_ATTR_TYPE, device->agent);
	snprintf(part, sizeof(part), "%s.options", id);
	add_fence_options(element(primitive, XML_TAG_ATTR_SETS, part), device);
	snprintf(part, sizeof(part), "%s.monitor", id);
	xmlNode *op = element(element(primitive, "operations", NULL), XML_ATTR_OP, part);
	crm_xml_add(op, "name", "monitor");
	crm_xml_add(op, XML_LRM_ATTR_INTERVAL, "60s");
	crm_xml_add(op, XML_ATTR_TIMEOUT, "30s");
	// a node's own device is watched from another node: where it is monitored says nothing about itself
	snprintf(part, sizeof(part), CIB_FENCE_AWAY "%s", device->node);
	xmlNode *away = element(
		section(configuration, XML_CIB_TAG_CONSTRAINTS, NULL), XML_CONS_TAG_RSC_LOCATION, part);
	crm_xml_add(away, XML_LOC_ATTR_SOURCE, id);
	crm_xml_add(away, XML_CIB_TAG_NODE, device->node);
	crm_xml_add(away, XML_RULE_ATTR_SCORE, "-INFINITY");
}
