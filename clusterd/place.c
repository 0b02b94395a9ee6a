// SPDX-License-Identifier: GPL-3.0-or-later
// This node's own place: whether it is in a cluster, and what is taken up when it enters one.
#include <string.h>

#include "clusterd/cib-link.h"
#include "clusterd/clusterd.h"
#include "clusterd/forward.h"
#include "common/log.h"

#define END_AFTER_MS 500u

static int take_up_pki(struct clusterd *cd, struct error *err)
{
	if (cd->tls)
		return 0;
	struct tls_context *tls = tls_context_load(CONFIG_PKI_DIRECTORY, err);
	if (!tls)
		return -1;
	if (rpc_server_listen_tls(cd->server, NULL, RPC_CLUSTERD_PORT, tls, err) < 0) {
		tls_context_free(tls);
		return -1;
	}
	cd->tls = tls;
	return 0;
}

int clusterd_enter_cluster(struct clusterd *cd, struct error *err)
{
	struct config config;

	if (config_load(cd->config_path, &config, err) < 0)
		return -1;
	config_done(&cd->config);
	cd->config = config;
	cd->in_cluster = config.address[0] != '\0' && config.site[0] != '\0';
	rpc_server_set_forward(cd->server, forward_by_node, cd->config.node);
	if (!cd->in_cluster)
		return 0;
	events_set_node(cd->events, cd->config.node);
	events_connect(cd->events);
	cib_link_start(cd->cib);
	membership_reconnect(cd->membership);
	log_info("this is node %s of site %s", cd->config.node, cd->config.site);
	return take_up_pki(cd, err);
}

static enum loop_verdict end_now(void *data)
{
	struct clusterd *cd = data;

	loop_quit(cd->loop);
	return LOOP_STOP;
}

// What listens with the old cluster's certificates cannot be taken back: clusterd ends, a moment after its answer is on the way, and systemd starts
// it anew.
void clusterd_leave_cluster(struct clusterd *cd)
{
	cd->in_cluster = false;
	notice_raise(&cd->changed);
	if (!cd->tls)
		return;
	log_info("ending, to be started again without a cluster");
	loop_add_timer(cd->loop, END_AFTER_MS, end_now, cd);
}

bool clusterd_coordinates(const struct clusterd *cd)
{
	const struct membership_state *members = membership_state(cd->membership);
	const struct member *coordinator = membership_coordinator(members);

	return members->connected && coordinator && !strcmp(coordinator->name, cd->config.node);
}
