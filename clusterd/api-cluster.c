// SPDX-License-Identifier: GPL-3.0-or-later
// cluster init, set, join, token, status. init leaves either a working cluster of one node or this machine as it was.
#include <glib.h>
#include <string.h>

#include "clusterd/api.h"
#include "clusterd/cib-link.h"
#include "clusterd/corosync-conf.h"
#include "clusterd/cpu-baseline.h"
#include "clusterd/join.h"
#include "clusterd/setup.h"
#include "clusterd/view.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/name.h"

#define COME_UP_TIMEOUT_MS 120000u
#define FIRST_NODEID 101u

static int make_pki(const char *cluster, const char *node, struct error *err)
{
	if (file_make_directory(CONFIG_PKI_DIRECTORY, 0700, err) < 0 ||
		tls_ca_create(CONFIG_PKI_DIRECTORY, cluster, err) < 0)
		return -1;
	return tls_node_issue(CONFIG_PKI_DIRECTORY, node, err);
}

static int record_definitions(
	struct clusterd *cd, const Holdfast__ClusterInit *init, const Holdfast__Node *node, struct error *err)
{
	if (cib_link_do(cd->cib, err, cib_set_options(cib, init->name, init->witness, err)) < 0)
		return -1;
	return cib_link_do(cd->cib, err, cib_set_node(cib, node, err));
}

static int write_and_start(struct clusterd *cd, struct rpc_call *call, const Holdfast__ClusterInit *init,
	const struct setup_node *self, struct error *err)
{
	unsigned char corosync_key[SETUP_KEY_BYTES], pacemaker_key[SETUP_KEY_BYTES];
	Holdfast__Node node = HOLDFAST__NODE__INIT;
	const Holdfast__Node *const nodes[] = { &node };
	cleanup_free char *text = NULL;

	node.name = (char *)self->node;
	node.site = (char *)self->site;
	node.address = (char *)self->address;
	node.nodeid = FIRST_NODEID;
	const struct corosync_conf conf = { .cluster = init->name,
		.witness = init->witness,
		.token_ms = init->token_ms,
		.version = 1,
		.nodes = nodes,
		.node_count = 1 };
	if (corosync_conf_render(&conf, &text, err) < 0 || setup_random_key(corosync_key, err) < 0 ||
		setup_random_key(pacemaker_key, err) < 0)
		return -1;
	const struct setup_files files = {
		.corosync_conf = text,
		.corosync_key = corosync_key,
		.corosync_key_bytes = sizeof(corosync_key),
		.pacemaker_key = pacemaker_key,
		.pacemaker_key_bytes = sizeof(pacemaker_key),
	};
	rpc_call_progress(call, 5, "making the cluster's certificates and files");
	if (make_pki(init->name, self->node, err) < 0 || setup_write(cd, self, &files, err) < 0 ||
		setup_start_services(cd, call, init->witness[0] != '\0', err) < 0 ||
		clusterd_enter_cluster(cd, err) < 0 ||
		setup_await_cluster(cd, call, COME_UP_TIMEOUT_MS, err) < 0)
		return -1;
	rpc_call_progress(call, 90, "setting the cluster's options");
	return record_definitions(cd, init, &node, err);
}

static int check_init(const struct clusterd *cd, const Holdfast__ClusterInit *init,
	const struct setup_node *self, struct error *err)
{
	cleanup_free char *host = NULL;
	unsigned port;

	if (setup_check(cd, self, err) < 0 || name_check("cluster", init->name, err) < 0)
		return -1;
	if (init->token_ms && (init->token_ms < 500 || init->token_ms > 60000))
		return error_set(err, ERROR_USAGE, "a token of %u ms makes no sense: give 500 to 60000",
			init->token_ms);
	return init->witness[0] ? witness_parse(init->witness, &host, &port, err) : 0;
}

API_HANDLER(serve_init)
{
	const Holdfast__ClusterInit *init = request->cluster_init;
	cleanup_free char *name = g_strdup(*init->node ? init->node : cd->config.node);
	const struct setup_node self = { .node = name, .site = init->site, .address = init->address };

	if (check_init(cd, init, &self, err) < 0)
		return -1;
	if (task_lock(&cd->setup, 1000, err) < 0)
		return error_set(err, ERROR_BUSY, "this node is being set up already");
	int result = setup_check(cd, &self, err);
	if (result == 0) {
		result = write_and_start(cd, call, init, &self, err);
		if (result < 0) {
			setup_undo(cd);
			clusterd_leave_cluster(cd);
		}
	}
	task_unlock(&cd->setup);
	if (result == 0)
		api_reply_name(reply, init->name);
	return result;
}

API_HANDLER(serve_set)
{
	const char *wish = request->cluster_set->cpu_model, *model = NULL;

	if (!wish[0])
		return error_set(
			err, ERROR_USAGE, "there is nothing to set: see 'holdfast cluster set --help'");
	cleanup_view struct view *view = view_take_hosts_to_decide(cd, NULL);
	if (cpu_baseline_choose(&view->input, wish, &model, err) < 0)
		return -1;
	if (cib_link_do(cd->cib, err, cib_set_cpu_model(cib, model, err)) < 0)
		return -1;
	api_reply_name(reply, model);
	return 0;
}

API_HANDLER(serve_token)
{
	(void)call, (void)request;
	cleanup_free char *token = join_token_new(cd, err);
	if (!token)
		return -1;
	reply->body_case = HOLDFAST__REPLY__BODY_TOKEN;
	reply->token = g_new0(Holdfast__Token, 1);
	holdfast__token__init(reply->token);
	reply->token->token = steal_ptr(token);
	return 0;
}

static void say_no_cluster(struct clusterd *cd, Holdfast__Reply *reply)
{
	Holdfast__ClusterStatus *status = g_new0(Holdfast__ClusterStatus, 1);

	holdfast__cluster_status__init(status);
	status->witness_state = g_strdup("none");
	status->problems = g_new0(char *, 1);
	status->problems[status->n_problems++] =
		g_strdup("this node is in no cluster: run 'holdfast cluster init NAME ...' here, or "
			 "'holdfast cluster join ADDRESS ...'");
	reply->body_case = HOLDFAST__REPLY__BODY_CLUSTER_STATUS;
	reply->cluster_status = status;
}

API_HANDLER(serve_status)
{
	(void)call, (void)request, (void)err;
	if (!cd->in_cluster) {
		say_no_cluster(cd, reply);
		return 0;
	}
	cleanup_view struct view *view = view_take_hosts_and_files(cd, NULL);
	reply->body_case = HOLDFAST__REPLY__BODY_CLUSTER_STATUS;
	reply->cluster_status = status_cluster(&view->input);
	return 0;
}

const struct api_verb api_cluster_verbs[] = {
	{ HOLDFAST__REQUEST__BODY_CLUSTER_INIT, CALLER_LOCAL, API_WITHOUT_CLUSTER | API_CHANGES, serve_init },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_JOIN_VIA, CALLER_LOCAL, API_WITHOUT_CLUSTER | API_CHANGES,
		join_via_serve },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_JOIN, CALLER_STRANGER | CALLER_NODE, 0, join_serve },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_TOKEN, CALLER_LOCAL, API_CHANGES, serve_token },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_SET, CALLER_ADMIN, API_CHANGES, serve_set },
	{ HOLDFAST__REQUEST__BODY_CLUSTER_STATUS, CALLER_ADMIN, API_WITHOUT_CLUSTER, serve_status },
	{ 0 },
};
