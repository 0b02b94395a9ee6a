// SPDX-License-Identifier: GPL-3.0-or-later
// The connection to Pacemaker's CIB and the one way to call it: asynchronous and waited for in a task, synchronous outside. libcib keeps
// its callbacks in one table per process and gives notifications no argument, so there is one watched connection per process.
#include "clusterd/cib-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <crm/crm.h>
#include <crm/msg_xml.h>
#include "common/cleanup.h"
#include "common/task.h"

#define XPATH_OF_CIB "/cib"

static struct cib *watched; // whom libcib's notifications are for: they carry no data of ours

// ---- life

static int set_rc(struct error *err, int rc, const char *what)
{
	switch (-rc) {
	case ENOTCONN:
	case ECOMM:
	case EPIPE:
	case ECONNREFUSED:
		return error_set(err, ERROR_UNREACHABLE,
			"%s: Pacemaker does not answer on this node: is it running?", what);
	case ETIME:
	case ETIMEDOUT:
		return error_set(err, ERROR_TIMEOUT, "%s: Pacemaker did not answer in time", what);
	case EACCES:
	case EPERM:
		return error_set(err, ERROR_DENIED,
			"%s: Pacemaker does not allow it: root or a member of haclient may", what);
	case ENXIO:
		return error_set(err, ERROR_NOT_FOUND, "%s: there is no such thing in the CIB", what);
	case pcmk_err_schema_validation:
		return error_set(err, ERROR_FAILED,
			"%s: it would make the CIB invalid (an id that is in use, or a bad value)", what);
	default:
		return error_set(err, ERROR_FAILED, "%s: %s", what, pcmk_strerror(rc));
	}
}

struct cib *cib_open(struct loop *loop, const char *client, unsigned timeout_ms, struct error *err)
{
	struct cib *cib = calloc(1, sizeof(*cib));

	if (!cib) {
		error_set(err, ERROR_FAILED, "no memory for the connection to Pacemaker");
		return NULL;
	}
	crm_xml_init(); // libcib's change tracking needs its hooks in libxml2
	cib->loop = loop;
	cib->timeout_ms = timeout_ms;
	cib->api = cib_new();
	int rc = cib->api->cmds->signon(cib->api, client, cib_command);
	if (rc != pcmk_ok) {
		set_rc(err, rc, "cannot open the CIB");
		cib_close(cib);
		return NULL;
	}
	cib->api->call_timeout = (int)((timeout_ms + 999) / 1000);
	return cib;
}

void cib_close(struct cib *cib)
{
	if (!cib)
		return;
	if (watched == cib)
		watched = NULL;
	loop_source_remove(cib->notify);
	cib->api->cmds->set_connection_dnotify(cib->api, NULL);
	cib->api->cmds->signoff(cib->api);
	cib_delete(cib->api);
	free(cib);
}

// ---- notifications

static enum loop_verdict tell_change(void *data)
{
	struct cib *cib = data;

	cib->notify = NULL;
	if (cib->changed)
		cib->changed(cib->data);
	return LOOP_STOP;
}

static void on_diff(const char *event, xmlNode *message)
{
	if (watched && !watched->notify)
		watched->notify = loop_add_idle(watched->loop, tell_change, watched);
}

static void on_lost(void *data)
{
	if (watched && watched->lost)
		watched->lost(watched->data);
}

void cib_watch(struct cib *cib, cib_changed_cb *changed, cib_changed_cb *lost, void *data)
{
	cib->changed = changed;
	cib->lost = lost;
	cib->data = data;
	watched = cib;
	cib->api->cmds->set_connection_dnotify(cib->api, on_lost);
	cib->api->cmds->add_notify_callback(cib->api, T_CIB_DIFF_NOTIFY, on_diff);
}

// ---- calls

// A call in flight. Held by the task that waits and by libcib: the one may give up before the other answers.
struct reply {
	unsigned holders;
	struct task_wait done;
	bool answered, wanted;
	int rc;
	xmlNode *output;
};

static void reply_drop(void *data)
{
	struct reply *reply = data;

	if (--reply->holders)
		return;
	free_xml(reply->output);
	free(reply);
}

static void on_reply(xmlNode *message, int id, int rc, xmlNode *output, void *data)
{
	struct reply *reply = data;

	reply->answered = true;
	reply->rc = rc;
	if (reply->wanted && output)
		reply->output = copy_xml(output);
	task_wake(&reply->done);
}

// libcib is through with it; without an answer if the connection went away.
static void on_reply_end(void *data)
{
	struct reply *reply = data;

	if (!reply->answered) {
		reply->answered = true;
		reply->rc = -ENOTCONN;
		task_wake(&reply->done);
	}
	reply_drop(reply);
}

static int perform(struct cib *cib, const struct cib_call *call, int options, xmlNode **output)
{
	cib_api_operations_t *cmds = cib->api->cmds;

	options |= call->options | (call->xpath ? cib_xpath : 0);
	switch (call->verb) {
	case CIB_VERB_QUERY:
		return cmds->query(cib->api, call->xpath, output, options | cib_scope_local);
	case CIB_VERB_MODIFY:
		return cmds->modify(cib->api, call->xpath, call->input, options);
	case CIB_VERB_REPLACE:
		return cmds->replace(cib->api, call->xpath, call->input, options);
	case CIB_VERB_REMOVE:
		return cmds->remove(cib->api, call->xpath, NULL, options);
	}
	return -EINVAL;
}

static int perform_in_task(
	struct cib *cib, const struct cib_call *call, xmlNode **output, int *rc, struct error *err)
{
	struct reply *reply = calloc(1, sizeof(*reply));

	if (!reply)
		return error_set(err, ERROR_FAILED, "no memory for a call to Pacemaker");
	reply->holders = 2;
	reply->wanted = output != NULL;
	int id = perform(cib, call, 0, NULL);
	cib->api->cmds->register_callback_full(
		cib->api, id, cib->api->call_timeout, FALSE, reply, "cib_do", on_reply, on_reply_end);
	// libcib has the deadline; ours is only behind it
	int waited = task_wait(&reply->done, cib->timeout_ms + 2000, "Pacemaker's CIB", err);
	*rc = reply->rc;
	if (output && waited == 0)
		*output = steal_ptr(reply->output);
	reply->wanted = false;
	reply_drop(reply);
	return waited;
}

int cib_do(struct cib *cib, const struct cib_call *call, xmlNode **output, struct error *err)
{
	static const char *const what[] = { "cannot read the CIB", "cannot change the CIB",
		"cannot change the CIB", "cannot change the CIB" };
	int rc = pcmk_ok;

	if (output)
		*output = NULL;
	if (cib->api->state == cib_disconnected)
		return set_rc(err, -ENOTCONN, what[call->verb]);
	if (task_self() && cib->api->variant == cib_native) {
		if (perform_in_task(cib, call, output, &rc, err) < 0)
			return -1;
	} else {
		rc = perform(cib, call, cib_sync_call, output);
	}
	if (rc < 0)
		return set_rc(err, rc, what[call->verb]);
	if (output && !*output)
		return set_rc(err, -ENXIO, what[call->verb]);
	return 0;
}

int cib_get(struct cib *cib, const char *xpath, int options, xmlNode **output, struct error *err)
{
	struct cib_call call = { .verb = CIB_VERB_QUERY, .xpath = xpath, .options = options };

	return cib_do(cib, &call, output, err);
}

uint64_t cib_epoch_of(const xmlNode *root)
{
	int admin = 0, epoch = 0;

	crm_element_value_int(root, XML_ATTR_GENERATION_ADMIN, &admin);
	crm_element_value_int(root, XML_ATTR_GENERATION, &epoch);
	return (uint64_t)admin << CIB_EPOCH_BITS | (uint64_t)epoch;
}

int cib_epoch(struct cib *cib, uint64_t *epoch, struct error *err)
{
	cleanup_xml xmlNode *root = NULL;

	if (cib_get(cib, XPATH_OF_CIB, cib_no_children, &root, err) < 0)
		return -1;
	*epoch = cib_epoch_of(root);
	return 0;
}

int cib_modify_at(struct cib *cib, uint64_t epoch, xmlNode *fragment, struct error *err)
{
	char xpath[CIB_XPATH_BYTES];
	struct cib_call call = { .verb = CIB_VERB_MODIFY, .xpath = xpath, .input = fragment };

	snprintf(xpath, sizeof(xpath), XPATH_OF_CIB "[@admin_epoch='%llu' and @epoch='%llu']/configuration",
		(unsigned long long)(epoch >> CIB_EPOCH_BITS),
		(unsigned long long)(epoch & ((1ULL << CIB_EPOCH_BITS) - 1)));
	return cib_do(cib, &call, NULL, err);
}

int cib_remove(struct cib *cib, const char *xpath, struct error *err)
{
	struct cib_call call = { .verb = CIB_VERB_REMOVE, .xpath = xpath, .options = cib_multiple };

	return cib_do(cib, &call, NULL, err);
}
