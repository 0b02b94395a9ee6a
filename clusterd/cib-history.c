// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the histories of a group's actions that Pacemaker keeps per node in the CIB's status. Pure; knows nothing of libpe_status.
#include "clusterd/cib-internal.h"

#include <string.h>
#include <crm/common/results.h>
#include <crm/msg_xml.h>

static bool is_task(const xmlNode *op, const char *task)
{
	const char *value = crm_element_value(op, XML_LRM_ATTR_TASK);

	return value && !strcmp(value, task);
}

static const xmlNode *history_of(xmlNode *node_state, const char *group)
{
	static const char *const path[] = { "lrm", "lrm_resources", NULL };
	xmlNode *resources = cib_xml_at(node_state, path);

	for (xmlNode *history = cib_xml_first(resources, "lrm_resource"); history;
		history = cib_xml_next(history, "lrm_resource"))
		if (!strcmp(cib_xml_id(history), group))
			return history;
	return NULL;
}

// A probe that found nothing says what a stop says, and takes its place in the history: after a cleanup, or when the one that carried a move
// out was lost in its middle.
static bool found_nothing(const xmlNode *op, int rc)
{
	const char *interval = crm_element_value(op, XML_LRM_ATTR_INTERVAL_MS);

	return is_task(op, "monitor") && rc == PCMK_OCF_NOT_RUNNING && interval && !strcmp(interval, "0");
}

// The newest operation that is no monitor of what runs; *moved: a successful migrate_to is in the history too.
static const xmlNode *last_action(const xmlNode *history, bool *moved)
{
	const xmlNode *last = NULL;
	int last_call = -1;

	for (xmlNode *op = cib_xml_first(history, "lrm_rsc_op"); op; op = cib_xml_next(op, "lrm_rsc_op")) {
		int call = -1, rc = -1;
		crm_element_value_int(op, XML_LRM_ATTR_CALLID, &call);
		crm_element_value_int(op, XML_LRM_ATTR_RC, &rc);
		*moved |= is_task(op, "migrate_to") && rc == 0;
		if ((!is_task(op, "monitor") || found_nothing(op, rc)) && call > last_call) {
			last = op;
			last_call = call;
		}
	}
	return last;
}

// The node whose history has a migrate_to that went well, and ends with it, or else with what says that nothing is left there.
static const char *moved_away(const xmlNode *status, const char *group, bool left)
{
	for (xmlNode *node = cib_xml_first(status, "node_state"); node;
		node = cib_xml_next(node, "node_state")) {
		bool moved = false;
		const xmlNode *history = history_of(node, group);
		const xmlNode *last = history ? last_action(history, &moved) : NULL;
		if (moved && last &&
			(left ? is_task(last, "stop") || is_task(last, "monitor") : is_task(last, "migrate_to")))
			return crm_element_value(node, XML_ATTR_UNAME);
	}
	return NULL;
}

const char *cib_history_moved_from(const xmlNode *status, const char *group)
{
	return moved_away(status, group, true);
}

const char *cib_history_leaving(const xmlNode *status, const char *group)
{
	return moved_away(status, group, false);
}

static bool acts(const xmlNode *history)
{
	for (xmlNode *op = cib_xml_first(history, "lrm_rsc_op"); op; op = cib_xml_next(op, "lrm_rsc_op")) {
		int status = PCMK_EXEC_DONE;
		crm_element_value_int(op, XML_LRM_ATTR_OPSTATUS, &status);
		if (status == PCMK_EXEC_PENDING && !is_task(op, "monitor"))
			return true;
	}
	return false;
}

bool cib_history_acts(const xmlNode *status, const char *group)
{
	for (xmlNode *node = cib_xml_first(status, "node_state"); node;
		node = cib_xml_next(node, "node_state")) {
		const xmlNode *history = history_of(node, group);
		if (history && acts(history))
			return true;
	}
	return false;
}
