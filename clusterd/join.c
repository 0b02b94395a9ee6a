// SPDX-License-Identifier: GPL-3.0-or-later
// The member's side of a join. A node that joins again under its name and address (its first try failed half-way) keeps
// its id. All members must be online: one that is not would come back with an old corosync.conf.
#include "clusterd/join.h"

#include <glib.h>
#include <string.h>
#include <time.h>

#include "clusterd/allocate.h"
#include "clusterd/cib-link.h"
#include "clusterd/corosync-conf.h"
#include "clusterd/forward.h"
#include "clusterd/join-token.h"
#include "clusterd/setup.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "common/spawn.h"
#include "proto/json.h"

#define FAILURES_PER_MINUTE 10u
#define PEER_TIMEOUT_MS 10000u
#define KEY_FILE_LIMIT 65536u

static int read_file(const char *path, char **text, size_t *bytes, struct error *err)
{
	return file_read(path, KEY_FILE_LIMIT, text, bytes, err);
}

static int ca_key(char **key, struct error *err)
{
	size_t bytes;

	if (read_file(CONFIG_PKI_DIRECTORY "/ca.key", key, &bytes, err) == 0)
		return 0;
	return error_prefix(err, "this member cannot let nodes in, because the CA's key cannot be read");
}

char *join_token_new(struct clusterd *cd, struct error *err)
{
	cleanup_free char *key = NULL;
	char fingerprint[65];

	(void)cd;
	if (ca_key(&key, err) < 0 || tls_ca_fingerprint(CONFIG_PKI_DIRECTORY, fingerprint, err) < 0)
		return NULL;
	cleanup_free char *secret = join_secret_make(key, time(NULL) + JOIN_TOKEN_LIFE_S);
	return join_token_make(secret, fingerprint);
}

// A stranger may guess only so often.
static int check_secret(struct clusterd *cd, const char *secret, struct error *err)
{
	cleanup_free char *key = NULL;
	int64_t now = loop_now_us();

	if (now - cd->join_failures.window_us > 60 * 1000000ll) {
		cd->join_failures.window_us = now;
		cd->join_failures.count = 0;
	}
	if (cd->join_failures.count >= FAILURES_PER_MINUTE)
		return error_set(err, ERROR_BUSY, "too many wrong join tokens: try again in a minute");
	if (ca_key(&key, err) < 0)
		return -1;
	if (join_secret_check(key, secret, time(NULL), err) == 0)
		return 0;
	cd->join_failures.count++;
	log_warning("a node with a wrong join token was refused");
	return -1;
}

// ---- the new node among the others

static int check_newcomer(const struct clusterd *cd, const struct cib_snapshot *cib,
	const Holdfast__Node *node, uint32_t *nodeid, struct error *err)
{
	const struct membership_state *members = membership_state(cd->membership);

	*nodeid = 0;
	if (name_check("node", node->name, err) < 0 || name_check("site", node->site, err) < 0 ||
		address_check("address", node->address, err) < 0)
		return -1;
	for (size_t i = 0; i < cib->node_count; i++) {
		const Holdfast__Node *other = cib->nodes[i].node;
		bool same_name = !strcmp(other->name, node->name),
		     same_address = !strcmp(other->address, node->address);

		if (same_name && same_address && !strcmp(other->site, node->site) && !cib->nodes[i].online)
			*nodeid = other->nodeid;
		else if (same_name)
			return error_set(err, ERROR_EXISTS,
				"there is a node %s in the cluster already: give this one another name",
				node->name);
		else if (same_address)
			return error_set(err, ERROR_EXISTS, "node %s has the address %s already", other->name,
				node->address);
	}
	for (size_t i = 0; i < members->count; i++)
		if (!members->members[i].online && strcmp(members->members[i].name, node->name))
			return error_set(err, ERROR_FAILED,
				"node %s is offline: all nodes must be online while one joins",
				members->members[i].name);
	return 0;
}

static struct allocate_world world_of(const struct cib_snapshot *cib, GPtrArray *nodes)
{
	for (size_t i = 0; i < cib->node_count; i++)
		g_ptr_array_add(nodes, cib->nodes[i].node);
	return (struct allocate_world){ .nodes = (const Holdfast__Node *const *)nodes->pdata,
		.node_count = nodes->len };
}

static gint by_nodeid(gconstpointer a, gconstpointer b)
{
	const Holdfast__Node *const *x = a, *const *y = b;

	return (*x)->nodeid < (*y)->nodeid ? -1 : (*x)->nodeid > (*y)->nodeid;
}

static int render(const struct clusterd *cd, const struct cib_snapshot *cib, const Holdfast__Node *newcomer,
	char **text, struct error *err)
{
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();
	const struct membership_state *members = membership_state(cd->membership);

	for (size_t i = 0; i < cib->node_count; i++)
		if (strcmp(cib->nodes[i].node->name, newcomer->name))
			g_ptr_array_add(nodes, cib->nodes[i].node);
	g_ptr_array_add(nodes, (gpointer)newcomer);
	g_ptr_array_sort(nodes, by_nodeid);
	struct corosync_conf conf = {
		.cluster = cib->cluster_name ? cib->cluster_name : "holdfast",
		.witness = cib->witness,
		.version = members->config_version + 1,
		.nodes = (const Holdfast__Node *const *)nodes->pdata,
		.node_count = nodes->len,
	};
	cleanup_free char *token = NULL;
	size_t bytes;
	// The configured token, not the one corosync computes from it.
	if (read_file(SETUP_COROSYNC_CONF, &token, &bytes, err) < 0)
		return -1;
	const char *at = strstr(token, "\ttoken: ");
	conf.token_ms = at ? (uint32_t)g_ascii_strtoull(at + 8, NULL, 10) : 0;
	return corosync_conf_render(&conf, text, err);
}

static int put_on_members(struct clusterd *cd, const char *text, const char *newcomer, struct error *err)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const struct membership_state *members = membership_state(cd->membership);
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__CorosyncConf conf = HOLDFAST__COROSYNC_CONF__INIT;

	for (size_t i = 0; i < members->count; i++)
		if (strcmp(members->members[i].name, cd->config.node) &&
			strcmp(members->members[i].name, newcomer))
			g_ptr_array_add(names, g_strdup(members->members[i].name));
	request.body_case = HOLDFAST__REQUEST__BODY_COROSYNC_CONF_PUT;
	request.corosync_conf_put = &conf;
	conf.text = (char *)text;
	for (guint i = 0; i < names->len; i++)
		if (peer_call(cd, g_ptr_array_index(names, i), &request, PEER_TIMEOUT_MS, NULL, NULL, NULL,
			    err) < 0)
			return error_prefix(err, "the new corosync.conf could not be put on all nodes");
	return file_write_atomic(SETUP_COROSYNC_CONF, text, strlen(text), 0644, err);
}

static int fill_grant(const struct cib_snapshot *cib, const Holdfast__Node *newcomer,
	Holdfast__JoinGrant *grant, struct error *err)
{
	char *corosync_key = NULL, *pacemaker_key = NULL;
	size_t bytes;

	if (read_file(CONFIG_PKI_DIRECTORY "/ca.pem", &grant->ca, &bytes, err) < 0 ||
		ca_key(&grant->ca_key, err) < 0)
		return -1;
	if (read_file(SETUP_COROSYNC_KEY, &corosync_key, &grant->corosync_key.len, err) < 0)
		return -1;
	grant->corosync_key.data = (uint8_t *)corosync_key;
	if (read_file(SETUP_PACEMAKER_KEY, &pacemaker_key, &grant->pacemaker_key.len, err) < 0)
		return -1;
	grant->pacemaker_key.data = (uint8_t *)pacemaker_key;
	grant->cluster_name = g_strdup(cib->cluster_name ? cib->cluster_name : "");
	grant->nodes = g_new0(Holdfast__Node *, cib->node_count + 1);
	for (size_t i = 0; i < cib->node_count; i++)
		if (strcmp(cib->nodes[i].node->name, newcomer->name))
			grant->nodes[grant->n_nodes++] =
				(Holdfast__Node *)proto_copy(&cib->nodes[i].node->base);
	grant->nodes[grant->n_nodes++] = (Holdfast__Node *)proto_copy(&newcomer->base);
	return 0;
}

// Under the lock of the definitions, on the coordinator.
static int let_in(
	struct clusterd *cd, const Holdfast__ClusterJoin *join, Holdfast__JoinGrant *grant, struct error *err)
{
	static const char *const reload[] = { "corosync-cfgtool", "-R", NULL };
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();
	Holdfast__Node newcomer = *join->node;

	cleanup_snapshot struct snapshot *snapshot = cib_link_read(cd->cib, err);
	if (!snapshot || check_newcomer(cd, snapshot->cib, join->node, &newcomer.nodeid, err) < 0)
		return -1;
	struct allocate_world world = world_of(snapshot->cib, nodes);
	if (newcomer.nodeid == 0 && allocate_nodeid(&world, newcomer.site, &newcomer.nodeid, err) < 0)
		return -1;
	if (tls_request_sign(CONFIG_PKI_DIRECTORY, newcomer.name, join->csr, &grant->certificate, err) < 0 ||
		render(cd, snapshot->cib, &newcomer, &grant->corosync_conf, err) < 0 ||
		fill_grant(snapshot->cib, &newcomer, grant, err) < 0)
		return -1;
	if (put_on_members(cd, grant->corosync_conf, newcomer.name, err) < 0)
		return -1;
	if (spawn_run(reload, PEER_TIMEOUT_MS, NULL, err) < 0)
		return error_prefix(err, "corosync did not take its new configuration");
	return cib_link_do(cd->cib, err, cib_set_node(cib, &newcomer, err));
}

int join_serve(struct clusterd *cd, struct rpc_call *call, const Holdfast__Request *request,
	Holdfast__Reply *reply, struct error *err)
{
	const Holdfast__ClusterJoin *join = request->cluster_join;

	if (check_secret(cd, join->secret, err) < 0)
		return -1;
	if (!join->node)
		return error_set(err, ERROR_PROTOCOL, "a join request without a node");
	if (api_need_quorum(cd, err) < 0)
		return -1;
	if (!clusterd_coordinates(cd)) {
		cleanup_free char *node =
			g_strdup(membership_coordinator(membership_state(cd->membership))->name);
		return forward_call(cd, call, request, node, reply, err);
	}
	if (task_lock(&cd->definitions, 60000, err) < 0)
		return -1;
	Holdfast__JoinGrant *grant = g_new0(Holdfast__JoinGrant, 1);
	holdfast__join_grant__init(grant);
	int result = let_in(cd, join, grant, err);
	task_unlock(&cd->definitions);
	if (result < 0) {
		holdfast__join_grant__free_unpacked(grant, NULL);
		return -1;
	}
	events_emit_text(cd->events, "admin", join->node->name, NULL,
		"node %s of site %s was let into the cluster", join->node->name, join->node->site);
	reply->body_case = HOLDFAST__REPLY__BODY_JOIN_GRANT;
	reply->join_grant = grant;
	return 0;
}
