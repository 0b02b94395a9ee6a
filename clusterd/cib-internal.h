// SPDX-License-Identifier: GPL-3.0-or-later
// What the files behind cib.h share: one way to call libcib, XML in and out, the ids that we use. Only cib*.c may include this.
#ifndef CLUSTERD_CIB_INTERNAL_H
#define CLUSTERD_CIB_INTERNAL_H

#include <crm/cib.h>
#include <crm/common/xml.h>
#include "clusterd/cib.h"

// A crm_config set per group holds its definition, its VMs, and the epoch that its last change was based on.
#define CIB_GROUP_SET "holdfast-group-"
#define CIB_GROUP_BASE "holdfast-base-"
#define CIB_VM "holdfast-vm-"
#define CIB_NODES "holdfast-nodes"
#define CIB_NODE "holdfast-node-"
#define CIB_OPTIONS_SET "cib-bootstrap-options"
#define CIB_CLUSTER "holdfast-cluster"
#define CIB_CPU_MODEL "holdfast-cpu-model"
#define CIB_POSSIBLE "holdfast-possible-"
#define CIB_CURRENT "holdfast-current-"
#define CIB_MOVE "holdfast-move-"
#define CIB_META "holdfast-meta-"
#define CIB_FENCE "fence-"
#define CIB_FENCE_AWAY "holdfast-fence-"
#define CIB_EPOCH_BITS 40
#define CIB_XPATH_BYTES 1024
#define CIB_NO_GROUP 1		// errnum of an ERROR_NOT_FOUND that reading again does not mend

struct cib {
	cib_t *api;
	struct loop *loop;
	unsigned timeout_ms;
	cib_changed_cb *changed, *lost;
	void *data;
	struct loop_source *notify;	// a change that has not been told yet
};

static inline void cib_xml_free_p(xmlNode **xml)
{
	free_xml(*xml);
}
#define cleanup_xml __attribute__((cleanup(cib_xml_free_p)))

// ---- cib.c

enum cib_verb { CIB_VERB_QUERY, CIB_VERB_MODIFY, CIB_VERB_REPLACE, CIB_VERB_REMOVE };
struct cib_call {
	enum cib_verb verb;
	const char *xpath;		// NULL: the whole CIB
	xmlNode *input;
	int options;			// of enum cib_call_options, besides cib_xpath and how to wait
};
// One call, waited for in a task and blocking outside. OUTPUT may be NULL. ERROR_NOT_FOUND: nothing matches the xpath.
int cib_do(struct cib *cib, const struct cib_call *call, xmlNode **output, struct error *err) MUST_CHECK;
int cib_get(struct cib *cib, const char *xpath, int options, xmlNode **output, struct error *err) MUST_CHECK;
// The present epoch as in cib_snapshot.
int cib_epoch(struct cib *cib, uint64_t *epoch, struct error *err) MUST_CHECK;
uint64_t cib_epoch_of(const xmlNode *root);
// Merges FRAGMENT, a <configuration>, if the CIB still has EPOCH; ERROR_NOT_FOUND if it has another.
int cib_modify_at(struct cib *cib, uint64_t epoch, xmlNode *fragment, struct error *err) MUST_CHECK;
// Removes everything that matches; nothing is fine.
int cib_remove(struct cib *cib, const char *xpath, struct error *err) MUST_CHECK;

// ---- cib-xml.c: fragments to merge. Pure.

xmlNode *cib_xml_new(void);						// an empty <configuration>
void cib_xml_set_value(xmlNode *configuration, const char *set, const char *name, const char *value);	// crm_config
void cib_xml_set_standby(xmlNode *configuration, const Holdfast__Node *node, bool on);
void cib_xml_add_group(xmlNode *configuration, const Holdfast__GroupSpec *spec, uint64_t base);		// definition, VMs, owners
void cib_xml_add_primitive(xmlNode *configuration, const char *group);
void cib_xml_set_target_role(xmlNode *configuration, const char *group, bool started);
void cib_xml_add_owner(xmlNode *configuration, const char *group, const char *node, const char *score);
void cib_xml_add_current(xmlNode *configuration, const char *group, const char *node);	// GROUP only on NODE
void cib_xml_add_move(xmlNode *configuration, const char *group, const char *node);	// GROUP to NODE, if it may run there
void cib_xml_add_fence(xmlNode *configuration, const Holdfast__FenceDevice *device);

// ---- cib-read.c: definitions out of XML

// The value of the nvpair NAME in SET, or NULL.
const char *cib_xml_value(const xmlNode *set, const char *name);
int cib_xml_read_group(const xmlNode *set, uint64_t epoch, Holdfast__GroupSpec **spec, struct error *err) MUST_CHECK;
uint64_t cib_xml_base(const xmlNode *set, const char *group);
// The node that a constraint made by cib_xml_add_current or cib_xml_add_move names, or NULL; ROOT is anything above it.
const char *cib_xml_only(const xmlNode *constraint);
const char *cib_xml_id(const xmlNode *xml);				// never NULL
xmlNode *cib_xml_first(const xmlNode *parent, const char *name);	// first child element of this name; NULL: any
xmlNode *cib_xml_next(const xmlNode *xml, const char *name);
xmlNode *cib_xml_at(xmlNode *root, const char *const path[]);		// down by element names, ends with NULL

// ---- cib-history.c: what Pacemaker remembers of a group's actions

// The name of a node in STATUS (the CIB's <status>) where the group was stopped, or not found, after a move away from it, or NULL.
const char *cib_history_moved_from(const xmlNode *status, const char *group);
// The node that a group has been moved away from and where Pacemaker has yet to stop what it takes for the rest of it; NULL if there is none.
const char *cib_history_leaving(const xmlNode *status, const char *group);
// Something other than a monitor is under way, on whatever node.
bool cib_history_acts(const xmlNode *status, const char *group);

// ---- cib-status.c: the only user of libpe_status

int cib_status_fill(struct cib_snapshot *snapshot, xmlNode *cib, struct error *err) MUST_CHECK;	// CIB is consumed

#endif
