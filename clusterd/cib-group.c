// SPDX-License-Identifier: GPL-3.0-or-later
// Groups in the CIB: created, replaced and deleted with their VMs, primitive and constraints in one change each. Names of VMs, minors and ports
// are checked against all other groups at the same epoch that the change is made on, so they are unique in the cluster.
#include "clusterd/cib-internal.h"

#include <stdlib.h>
#include <string.h>
#include <crm/msg_xml.h>
#include <glib.h>
#include "common/cleanup.h"
#include "common/name.h"

#define CIB_ATTEMPTS 50
#define SETS_XPATH "/cib/configuration/crm_config"

// ---- the definition by itself

static int check_names(const char *what, size_t count, char **names, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (name_check(what, names[i], err) < 0)
			return -1;
	return 0;
}

static int check_spec(const Holdfast__GroupSpec *spec, struct error *err)
{
	const Holdfast__Group *group = spec->group;

	if (!group)
		return error_set(err, ERROR_USAGE, "the group has no definition");
	if (name_check("group", group->name, err) < 0 ||
		check_names("possible owner", group->n_possible, group->possible, err) < 0 ||
		check_names("preferred owner", group->n_preferred, group->preferred, err) < 0)
		return -1;
	if (!strncmp(group->name, "holdfast-", strlen("holdfast-")) ||
		!strncmp(group->name, CIB_FENCE, strlen(CIB_FENCE)) || !strcmp(group->name, CIB_OPTIONS_SET))
		return error_set(err, ERROR_USAGE,
			"no group may be named %s: the cluster keeps such names for itself", group->name);
	if (!group->n_possible)
		return error_set(err, ERROR_USAGE, "group %s has no possible owner: name at least one node",
			group->name);
	for (size_t i = 0; i < spec->n_vms; i++) {
		if (name_check("VM", spec->vms[i]->name, err) < 0)
			return -1;
		if (strcmp(spec->vms[i]->group, group->name))
			return error_set(err, ERROR_USAGE, "VM %s is of group %s, not of %s",
				spec->vms[i]->name, spec->vms[i]->group, group->name);
	}
	return 0;
}

// ---- against the others

static bool same_volume(const Holdfast__Group *a, const Holdfast__Group *b, uint32_t *minor)
{
	if (a->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD || b->storage != a->storage)
		return false;
	for (size_t i = 0; i < a->n_volumes; i++)
		for (size_t j = 0; j < b->n_volumes; j++)
			if (a->volumes[i]->minor == b->volumes[j]->minor) {
				*minor = a->volumes[i]->minor;
				return true;
			}
	return false;
}

static int check_other(const Holdfast__GroupSpec *spec, const Holdfast__GroupSpec *other, struct error *err)
{
	uint32_t minor;

	for (size_t i = 0; i < spec->n_vms; i++)
		for (size_t j = 0; j < other->n_vms; j++)
			if (!strcmp(spec->vms[i]->name, other->vms[j]->name))
				return error_set(err, ERROR_EXISTS, "there is a VM %s already, in group %s",
					spec->vms[i]->name, other->group->name);
	if (same_volume(spec->group, other->group, &minor))
		return error_set(err, ERROR_BUSY,
			"DRBD minor %u is taken by group %s: read the cluster again and take another", minor,
			other->group->name);
	if (spec->group->port && spec->group->port == other->group->port)
		return error_set(err, ERROR_BUSY,
			"port %u is taken by group %s: read the cluster again and take another",
			spec->group->port, other->group->name);
	return 0;
}

// An unreadable definition of another group is no reason to refuse; its VMs' ids stay unique through the CIB's schema.
static int check_others(const Holdfast__GroupSpec *spec, xmlNode *sets, struct error *err)
{
	for (xmlNode *set = cib_xml_first(sets, XML_CIB_TAG_PROPSET); set;
		set = cib_xml_next(set, XML_CIB_TAG_PROPSET)) {
		Holdfast__GroupSpec *other = NULL;
		const char *id = cib_xml_id(set);
		if (strncmp(id, CIB_GROUP_SET, strlen(CIB_GROUP_SET)) ||
			!strcmp(id + strlen(CIB_GROUP_SET), spec->group->name) ||
			cib_xml_read_group(set, 0, &other, NULL) < 0)
			continue;
		int status = check_other(spec, other, err);
		holdfast__group_spec__free_unpacked(other, NULL);
		if (status < 0)
			return -1;
	}
	return 0;
}

static xmlNode *own_set(xmlNode *sets, const char *group)
{
	xmlNode *set = cib_xml_first(sets, XML_CIB_TAG_PROPSET);

	while (set &&
		(strncmp(cib_xml_id(set), CIB_GROUP_SET, strlen(CIB_GROUP_SET)) ||
			strcmp(cib_xml_id(set) + strlen(CIB_GROUP_SET), group)))
		set = cib_xml_next(set, XML_CIB_TAG_PROPSET);
	return set;
}

// ---- create

static int create_once(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err)
{
	cleanup_xml xmlNode *sets = NULL, *taken = NULL, *fragment = cib_xml_new();
	struct error why = ERROR_INIT;
	char xpath[CIB_XPATH_BYTES];
	uint64_t epoch;

	snprintf(xpath, sizeof(xpath), "/cib/configuration/resources//*[@id='%s']", spec->group->name);
	if (cib_epoch(cib, &epoch, err) < 0 || cib_get(cib, SETS_XPATH, 0, &sets, err) < 0)
		return -1;
	if (own_set(sets, spec->group->name) || cib_get(cib, xpath, cib_no_children, &taken, &why) == 0)
		return error_set(err, ERROR_EXISTS,
			"there is a group or resource %s already: take another name", spec->group->name);
	if (why.code != ERROR_NOT_FOUND)
		return error_copy(err, &why);
	if (check_others(spec, sets, err) < 0)
		return -1;
	cib_xml_add_group(fragment, spec, epoch);
	cib_xml_add_primitive(fragment, spec->group->name);
	cib_xml_set_target_role(fragment, spec->group->name, false);
	return cib_modify_at(cib, epoch, fragment, err);
}

typedef int once_fn(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err);

// Again for as long as only somebody else's change came between (ERROR_NOT_FOUND of the conditional merge).
static int repeat(struct cib *cib, const Holdfast__GroupSpec *spec, once_fn *once, struct error *err)
{
	for (int i = 0; i < CIB_ATTEMPTS; i++) {
		struct error why = ERROR_INIT;
		if (once(cib, spec, &why) == 0)
			return 0;
		if (why.code != ERROR_NOT_FOUND || why.errnum == CIB_NO_GROUP)
			return error_copy(err, &why);
	}
	return error_set(
		err, ERROR_BUSY, "the CIB changes too fast to write group %s: try again", spec->group->name);
}

int cib_create_group(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err)
{
	if (check_spec(spec, err) < 0)
		return -1;
	return repeat(cib, spec, create_once, err);
}

// ---- update

static bool has_vm(const Holdfast__GroupSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_vms; i++)
		if (!strcmp(spec->vms[i]->name, name))
			return true;
	return false;
}

static bool is_possible(const Holdfast__Group *group, const char *node)
{
	for (size_t i = 0; i < group->n_possible; i++)
		if (!strcmp(group->possible[i], node))
			return true;
	return false;
}

// VMs that are no longer: their value becomes empty in the merge, and what is empty goes afterwards.
static void mark_vms(const Holdfast__GroupSpec *spec, const xmlNode *set, xmlNode *fragment)
{
	for (xmlNode *pair = cib_xml_first(set, XML_CIB_TAG_NVPAIR); pair;
		pair = cib_xml_next(pair, XML_CIB_TAG_NVPAIR)) {
		const char *id = cib_xml_id(pair);
		if (!strncmp(id, CIB_VM, strlen(CIB_VM)) && !has_vm(spec, id + strlen(CIB_VM)))
			cib_xml_set_value(fragment, cib_xml_id(set), id, "");
	}
}

static int mark_owners(struct cib *cib, const Holdfast__GroupSpec *spec, xmlNode *fragment, struct error *err)
{
	cleanup_xml xmlNode *constraints = NULL;
	char prefix[128];

	if (cib_get(cib, "/cib/configuration/constraints", 0, &constraints, err) < 0)
		return -1;
	snprintf(prefix, sizeof(prefix), CIB_POSSIBLE "%s.", spec->group->name);
	for (xmlNode *location = cib_xml_first(constraints, XML_CONS_TAG_RSC_LOCATION); location;
		location = cib_xml_next(location, XML_CONS_TAG_RSC_LOCATION)) {
		const char *id = cib_xml_id(location);
		if (!strncmp(id, prefix, strlen(prefix)) && !is_possible(spec->group, id + strlen(prefix)))
			cib_xml_add_owner(fragment, spec->group->name, id + strlen(prefix), "-INFINITY");
	}
	return 0;
}

// What update_once marked. If this does not happen, readers pass over the marks and the next update tidies them.
static int tidy(struct cib *cib, const char *group, struct error *err)
{
	g_autofree char *xpath =
		g_strdup_printf("/cib/configuration/crm_config/cluster_property_set[@id='" CIB_GROUP_SET
				"%s']/nvpair[starts-with(@id, '" CIB_VM "') and @value=''] | "
				"/cib/configuration/constraints/rsc_location[starts-with(@id, '" CIB_POSSIBLE
				"%s.') and @score='-INFINITY']",
			group, group);

	return cib_remove(cib, xpath, err);
}

static int update_once(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err)
{
	cleanup_xml xmlNode *sets = NULL, *fragment = cib_xml_new();
	uint64_t epoch;

	if (cib_epoch(cib, &epoch, err) < 0 || cib_get(cib, SETS_XPATH, 0, &sets, err) < 0)
		return -1;
	xmlNode *set = own_set(sets, spec->group->name);
	if (!set) {
		error_set(err, ERROR_NOT_FOUND, "there is no group %s in this cluster", spec->group->name);
		err->errnum = CIB_NO_GROUP;
		return -1;
	}
	// the last change was made exactly on this epoch: who read at it or before has not seen that change
	uint64_t base = cib_xml_base(set, spec->group->name);
	if (base >= spec->epoch && base <= epoch)
		return error_set(err, ERROR_BUSY,
			"group %s was changed by somebody else meanwhile: read it again", spec->group->name);
	if (check_others(spec, sets, err) < 0)
		return -1;
	cib_xml_add_group(fragment, spec, epoch);
	mark_vms(spec, set, fragment);
	if (mark_owners(cib, spec, fragment, err) < 0)
		return -1;
	return cib_modify_at(cib, epoch, fragment, err);
}

int cib_update_group(struct cib *cib, const Holdfast__GroupSpec *spec, struct error *err)
{
	if (check_spec(spec, err) < 0 || repeat(cib, spec, update_once, err) < 0)
		return -1;
	return tidy(cib, spec->group->name, err);
}

// ---- delete

int cib_delete_group(struct cib *cib, const char *name, struct error *err)
{
	cleanup_xml xmlNode *set = NULL;
	char xpath[CIB_XPATH_BYTES];
	struct error why = ERROR_INIT;

	if (name_check("group", name, err) < 0)
		return -1;
	snprintf(xpath, sizeof(xpath), SETS_XPATH "/cluster_property_set[@id='" CIB_GROUP_SET "%s']", name);
	if (cib_get(cib, xpath, cib_no_children, &set, &why) < 0)
		return why.code == ERROR_NOT_FOUND
			? error_set(err, ERROR_NOT_FOUND, "there is no group %s in this cluster", name)
			: error_copy(err, &why);
	snprintf(xpath, sizeof(xpath),
		"/cib/configuration/resources/primitive[@id='%s'] | "
		"/cib/configuration/constraints/*[@rsc='%s'] | " SETS_XPATH
		"/cluster_property_set[@id='" CIB_GROUP_SET "%s']",
		name, name, name);
	return cib_remove(cib, xpath, err);
}
