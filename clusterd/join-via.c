// SPDX-License-Identifier: GPL-3.0-or-later
// The joining side: pins the cluster's CA by the fingerprint in the token, asks a member, writes what it is given,
// starts the services. Whatever fails, this machine is left as it was.
#include <glib.h>
#include <string.h>

#include "clusterd/join-token.h"
#include "clusterd/join.h"
#include "clusterd/setup.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"

#define ASK_TIMEOUT_MS 60000u
#define CONNECT_TIMEOUT_MS 5000u
#define COME_UP_TIMEOUT_MS 120000u

static int ask_member(const Holdfast__ClusterJoinVia *via, const struct setup_node *self, char *csr,
	Holdfast__Reply **reply, struct error *err)
{
	cleanup_free char *secret = NULL, *fingerprint = NULL;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__ClusterJoin join = HOLDFAST__CLUSTER_JOIN__INIT;
	Holdfast__Node node = HOLDFAST__NODE__INIT;

	if (join_token_parse(via->token, &secret, &fingerprint, err) < 0)
		return -1;
	struct rpc_client *client =
		rpc_connect_join(via->address, RPC_CLUSTERD_PORT, fingerprint, CONNECT_TIMEOUT_MS, err);
	if (!client)
		return error_prefix(err, "the member at %s cannot be asked", via->address);
	node.name = (char *)self->node;
	node.site = (char *)self->site;
	node.address = (char *)self->address;
	join.secret = secret;
	join.node = &node;
	join.csr = csr;
	request.body_case = HOLDFAST__REQUEST__BODY_CLUSTER_JOIN;
	request.cluster_join = &join;
	int result = rpc_client_call(client, &request, ASK_TIMEOUT_MS, NULL, NULL, reply, err);
	rpc_client_free(client);
	if (result == 0 && (*reply)->body_case != HOLDFAST__REPLY__BODY_JOIN_GRANT)
		return error_set(
			err, ERROR_PROTOCOL, "the member at %s did not answer with a grant", via->address);
	return result;
}

static int write_pki(const Holdfast__JoinGrant *grant, struct error *err)
{
	const struct {
		const char *path, *text;
		mode_t mode;
	} files[] = {
		{ CONFIG_PKI_DIRECTORY "/ca.pem", grant->ca, 0644 },
		{ CONFIG_PKI_DIRECTORY "/ca.key", grant->ca_key, 0600 },
		{ CONFIG_PKI_DIRECTORY "/node.pem", grant->certificate, 0644 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		if (!*files[i].text)
			return error_set(err, ERROR_PROTOCOL, "the member's grant has no %s", files[i].path);
		if (file_write_atomic(
			    files[i].path, files[i].text, strlen(files[i].text), files[i].mode, err) < 0)
			return -1;
	}
	return 0;
}

static int become_member(struct clusterd *cd, struct rpc_call *call, const struct setup_node *node,
	const Holdfast__JoinGrant *grant, struct error *err)
{
	const struct setup_files files = {
		.corosync_conf = grant->corosync_conf,
		.corosync_key = grant->corosync_key.data,
		.corosync_key_bytes = grant->corosync_key.len,
		.pacemaker_key = grant->pacemaker_key.data,
		.pacemaker_key_bytes = grant->pacemaker_key.len,
	};

	if (write_pki(grant, err) < 0 || setup_write(cd, node, &files, err) < 0)
		return -1;
	if (setup_start_services(cd, call, strstr(grant->corosync_conf, "\tdevice {") != NULL, err) < 0)
		return -1;
	if (clusterd_enter_cluster(cd, err) < 0)
		return -1;
	return setup_await_cluster(cd, call, COME_UP_TIMEOUT_MS, err);
}

static int join_via(struct clusterd *cd, struct rpc_call *call, const Holdfast__ClusterJoinVia *via,
	const struct setup_node *node, struct error *err)
{
	cleanup_free char *csr = NULL;
	Holdfast__Reply *reply = NULL;

	if (file_make_directory(CONFIG_PKI_DIRECTORY, 0700, err) < 0 ||
		tls_request_create(CONFIG_PKI_DIRECTORY, node->node, &csr, err) < 0)
		return -1;
	rpc_call_progress(call, 5, "asking the member at %s", via->address);
	int result = ask_member(via, node, csr, &reply, err);
	if (result < 0) {
		// Only the key was made: nothing else is to be undone, and services that run here are not ours to stop.
		struct error ignored = ERROR_INIT;
		if (file_remove(CONFIG_PKI_DIRECTORY "/node.key", &ignored) < 0)
			log_warning("%s", ignored.message);
	} else {
		result = become_member(cd, call, node, reply->join_grant, err);
		if (result < 0) {
			setup_undo(cd);
			clusterd_leave_cluster(cd);
		}
	}
	if (reply)
		holdfast__reply__free_unpacked(reply, NULL);
	return result;
}

int join_via_serve(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	const Holdfast__ClusterJoinVia *via = request->cluster_join_via;
	const struct setup_node node = { .node = *via->node ? via->node : cd->config.node,
		.site = via->site,
		.address = via->own_address };
	cleanup_free char *secret = NULL, *fingerprint = NULL;

	if (setup_check(cd, &node, err) < 0 || join_token_parse(via->token, &secret, &fingerprint, err) < 0)
		return -1;
	if (task_lock(&cd->setup, 1000, err) < 0)
		return error_set(err, ERROR_BUSY, "this node is being set up already");
	int result = setup_check(cd, &node, err);
	cleanup_free char *name = g_strdup(node.node); // entering the cluster replaces the configuration
	if (result == 0)
		result = join_via(cd, call, via,
			&(struct setup_node){ .node = name, .site = node.site, .address = node.address },
			err);
	task_unlock(&cd->setup);
	if (result == 0)
		api_reply_name(reply, name);
	return result;
}
