// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions out of the CIB's XML, and the read that starts a group: one group, from the local copy, by xpath. The XML helpers know nothing
// of groups.
#include "clusterd/cib-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <crm/msg_xml.h>
#include "common/cleanup.h"
#include "common/name.h"
#include "proto/json.h"

#define READ_ATTEMPTS 10

// ---- XML

const char *cib_xml_id(const xmlNode *xml)
{
	const char *id = xml ? crm_element_value(xml, XML_ATTR_ID) : NULL;

	return id ? id : "";
}

static xmlNode *element_from(xmlNode *xml, const char *name)
{
	while (xml && (xml->type != XML_ELEMENT_NODE || (name && strcmp((const char *)xml->name, name))))
		xml = xml->next;
	return xml;
}

xmlNode *cib_xml_first(const xmlNode *parent, const char *name)
{
	return parent ? element_from(parent->children, name) : NULL;
}

xmlNode *cib_xml_next(const xmlNode *xml, const char *name)
{
	return element_from(xml->next, name);
}

xmlNode *cib_xml_at(xmlNode *root, const char *const path[])
{
	while (root && *path)
		root = cib_xml_first(root, *path++);
	return root;
}

const char *cib_xml_value(const xmlNode *set, const char *name)
{
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR)) {
		const char *own = crm_element_value(pair, XML_NVPAIR_ATTR_NAME);
		if (own && !strcmp(own, name))
			return crm_element_value(pair, XML_NVPAIR_ATTR_VALUE);
	}
	return NULL;
}

const char *cib_xml_only(const xmlNode *constraint)
{
	const xmlNode *rule = cib_xml_first(constraint, XML_TAG_RULE);
	const xmlNode *expression = cib_xml_first(rule, XML_TAG_EXPRESSION);

	return expression ? crm_element_value(expression, XML_EXPR_ATTR_VALUE) : NULL;
}

// ---- definitions

uint64_t cib_xml_base(const xmlNode *set, const char *group)
{
	char name[128];

	snprintf(name, sizeof(name), CIB_GROUP_BASE "%s", group);
	const char *text = cib_xml_value(set, name);
	return text ? strtoull(text, NULL, 10) : 0;
}

static int read_group(const xmlNode *set, Holdfast__GroupSpec *spec, struct error *err)
{
	const char *text = cib_xml_value(set, cib_xml_id(set));

	if (!text)
		return error_set(err, ERROR_FAILED, "the CIB's %s has no definition", cib_xml_id(set));
	spec->group = (Holdfast__Group *)proto_from_json_text(&holdfast__group__descriptor, text, err);
	return spec->group ? 0 : error_prefix(err, "the definition of %s in the CIB", cib_xml_id(set));
}

// An empty value is a VM that was deleted: the nvpair itself goes a moment later.
static int read_vm(const xmlNode *pair, Holdfast__GroupSpec *spec, struct error *err)
{
	const char *name = crm_element_value(pair, XML_NVPAIR_ATTR_NAME);
	const char *value = crm_element_value(pair, XML_NVPAIR_ATTR_VALUE);

	if (!name || !value || !value[0] || strncmp(name, CIB_VM, strlen(CIB_VM)))
		return 0;
	ProtobufCMessage *vm = proto_from_json_text(&holdfast__vm__descriptor, value, err);
	if (!vm)
		return error_prefix(err, "the definition of %s in the CIB", name);
	spec->vms[spec->n_vms++] = (Holdfast__Vm *)vm;
	return 0;
}

int cib_xml_read_group(const xmlNode *set, uint64_t epoch, Holdfast__GroupSpec **spec, struct error *err)
{
	Holdfast__GroupSpec *result = malloc(sizeof(*result));
	size_t pairs = 0;

	if (!result)
		return error_set(err, ERROR_FAILED, "no memory for a group's definition");
	holdfast__group_spec__init(result);
	result->epoch = epoch;
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR))
		pairs++;
	result->vms = calloc(pairs + 1, sizeof(Holdfast__Vm *));
	int status = read_group(set, result, err);
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair && status == 0;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR))
		status = read_vm(pair, result, err);
	if (status < 0) {
		holdfast__group_spec__free_unpacked(result, NULL);
		return -1;
	}
	*spec = result;
	return 0;
}

// ---- one group

static int read_current(struct cib *cib, const char *name, char **current, struct error *err)
{
	cleanup_xml xmlNode *constraint = NULL;
	struct error why = ERROR_INIT;
	char xpath[CIB_XPATH_BYTES];

	*current = NULL;
	snprintf(xpath, sizeof(xpath), "/cib/configuration/constraints/rsc_location[@id='" CIB_CURRENT "%s']",
		name);
	if (cib_get(cib, xpath, 0, &constraint, &why) < 0)
		return why.code == ERROR_NOT_FOUND ? 0 : (error_copy(err, &why), -1);
	const char *node = cib_xml_only(constraint);
	if (!node)
		return error_set(err, ERROR_UNSAFE,
			"the CIB's " CIB_CURRENT "%s does not say which node has current data", name);
	*current = strdup(node);
	return 0;
}

// Three reads; they are one if the epoch did not change meanwhile.
static int read_once(struct cib *cib, const char *name, Holdfast__GroupSpec **spec, char **current,
	uint64_t *before, uint64_t *after, struct error *err)
{
	cleanup_xml xmlNode *set = NULL;
	char xpath[CIB_XPATH_BYTES];

	snprintf(xpath, sizeof(xpath),
		"/cib/configuration/crm_config/cluster_property_set[@id='" CIB_GROUP_SET "%s']", name);
	if (cib_epoch(cib, before, err) < 0)
		return -1;
	if (cib_get(cib, xpath, 0, &set, err) < 0)
		return err && err->code == ERROR_NOT_FOUND
			? error_set(err, ERROR_NOT_FOUND, "there is no group %s in this cluster", name)
			: -1;
	if (read_current(cib, name, current, err) < 0)
		return -1;
	if (cib_xml_read_group(set, *before, spec, err) < 0 || cib_epoch(cib, after, err) < 0) {
		free(steal_ptr(*current));
		return -1;
	}
	return 0;
}

int cib_read_group(
	struct cib *cib, const char *name, Holdfast__GroupSpec **spec, char **current, struct error *err)
{
	struct error own = ERROR_INIT;

	if (name_check("group", name, err) < 0)
		return -1;
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		uint64_t before, after;
		*spec = NULL;
		if (read_once(cib, name, spec, current, &before, &after, err ? err : &own) < 0) {
			holdfast__group_spec__free_unpacked(steal_ptr(*spec), NULL);
			return -1;
		}
		if (before == after)
			return 0;
		holdfast__group_spec__free_unpacked(steal_ptr(*spec), NULL);
		free(steal_ptr(*current));
	}
	return error_set(err, ERROR_BUSY, "the CIB changes too fast to read group %s: try again", name);
}

// ---- nodes

int cib_read_node(struct cib *cib, const char *name, Holdfast__Node **node, struct error *err)
{
	cleanup_xml xmlNode *pair = NULL;
	char xpath[CIB_XPATH_BYTES];
	struct error why = ERROR_INIT;

	if (name_check("node", name, err) < 0)
		return -1;
	snprintf(xpath, sizeof(xpath),
		"/cib/configuration/crm_config/cluster_property_set[@id='" CIB_NODES
		"']/nvpair[@id='" CIB_NODE "%s']",
		name);
	if (cib_get(cib, xpath, 0, &pair, &why) < 0)
		return why.code == ERROR_NOT_FOUND
			? error_set(err, ERROR_NOT_FOUND, "there is no node %s in this cluster", name)
			: error_copy(err, &why);
	const char *value = crm_element_value(pair, XML_NVPAIR_ATTR_VALUE);
	*node = (Holdfast__Node *)proto_from_json_text(&holdfast__node__descriptor, value ? value : "", err);
	return *node ? 0 : error_prefix(err, "the definition of node %s in the CIB", name);
}

static bool says(const xmlNode *state, const char *name, const char *a, const char *b)
{
	const char *value = crm_element_value(state, name);

	return value && (!strcmp(value, a) || !strcmp(value, b));
}

// `expected` becomes "down" only when the node was fenced or had stopped all it ran, and "member" again when it has joined.
int cib_read_life(struct cib *cib, const char *node, enum cib_life *life, struct error *err)
{
	cleanup_xml xmlNode *state = NULL;
	char xpath[CIB_XPATH_BYTES];
	struct error why = ERROR_INIT;

	if (name_check("node", node, err) < 0)
		return -1;
	snprintf(xpath, sizeof(xpath), "/cib/status/node_state[@uname='%s']", node);
	if (cib_get(cib, xpath, cib_no_children, &state, &why) < 0)
		return why.code == ERROR_NOT_FOUND
			? error_set(err, ERROR_NOT_FOUND, "the cluster has not seen node %s since it started",
				  node)
			: error_copy(err, &why);
	// "0" is what later versions of Pacemaker write, which keep the time instead of true
	bool gone = says(state, XML_NODE_IN_CLUSTER, "false", "0") &&
		says(state, XML_NODE_IS_PEER, "offline", "0");
	bool down = says(state, XML_NODE_EXPECTED, "down", "down") &&
		says(state, XML_NODE_JOIN_STATE, "down", "down");
	bool joined = says(state, XML_NODE_JOIN_STATE, "member", "member");
	*life = gone ? (down ? CIB_LIFE_DOWN : CIB_LIFE_LOST) : joined ? CIB_LIFE_MEMBER : CIB_LIFE_COMING;
	return 0;
}
