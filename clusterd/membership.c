// SPDX-License-Identifier: GPL-3.0-or-later
// The corosync side of membership.h. The member list always comes whole from cmap's nodelist; the quorum service says
// who of it is online. Nothing here blocks: corosync's libraries are called only to connect, to read small values and
// to dispatch.
#include "clusterd/membership.h"

#include <corosync/cmap.h>
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"

#define RETRY_MS 500u // doubled up to the limit
#define RETRY_LIMIT_MS 4000u
#define WITNESS_POLL_MS 2000u // votequorum says nothing when only the qdevice's state changes
#define MEMBER_LIMIT 256u

struct membership {
	struct loop *loop;
	membership_cb *changed;
	void *data;
	struct membership_state state;
	quorum_handle_t quorum;
	votequorum_handle_t votequorum;
	cmap_handle_t cmap;
	bool has_quorum, has_votequorum, has_cmap;
	struct loop_source *quorum_source, *cmap_source, *retry, *witness_poll;
	unsigned retry_ms;
};

static int64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void tell(struct membership *m, enum membership_change change, const struct member *member)
{
	m->changed(change, member, m->data);
}

// ---- what corosync.conf says, through cmap

static bool read_string(cmap_handle_t cmap, const char *key, char *out, size_t size)
{
	char *value = NULL;

	out[0] = '\0';
	if (cmap_get_string(cmap, key, &value) != CS_OK)
		return false;
	snprintf(out, size, "%s", value);
	free(value);
	return true;
}

static int by_nodeid(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->nodeid < y->nodeid ? -1 : x->nodeid > y->nodeid;
}

static void read_nodelist(struct membership *m)
{
	struct member *members = calloc(MEMBER_LIMIT, sizeof(*members));
	size_t count = 0;
	char key[96], model[32];

	if (!members)
		return;
	for (unsigned i = 0; i < MEMBER_LIMIT; i++) {
		struct member *member = &members[count];

		snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", i);
		if (cmap_get_uint32(m->cmap, key, &member->nodeid) != CS_OK)
			continue;
		snprintf(key, sizeof(key), "nodelist.node.%u.name", i);
		read_string(m->cmap, key, member->name, sizeof(member->name));
		snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", i);
		read_string(m->cmap, key, member->address, sizeof(member->address));
		const struct member *old = membership_find_id(&m->state, member->nodeid);
		if (old) {
			member->online = old->online;
			member->since_us = old->since_us;
		}
		count++;
	}
	qsort(members, count, sizeof(*members), by_nodeid);
	free(m->state.members);
	m->state.members = members;
	m->state.count = count;
	if (cmap_get_uint32(m->cmap, "runtime.config.totem.token", &m->state.token_ms) != CS_OK)
		m->state.token_ms = 0;
	if (cmap_get_uint64(m->cmap, "totem.config_version", &m->state.config_version) != CS_OK)
		m->state.config_version = 0;
	if (!read_string(m->cmap, "quorum.device.model", model, sizeof(model)))
		m->state.witness = WITNESS_NONE;
	else if (m->state.witness == WITNESS_NONE)
		m->state.witness = WITNESS_LOST;
}

static void read_witness(struct membership *m)
{
	struct votequorum_info info;

	if (m->state.witness == WITNESS_NONE ||
		votequorum_getinfo(m->votequorum, m->state.own_nodeid, &info) != CS_OK)
		return;
	bool votes = (info.flags & VOTEQUORUM_INFO_QDEVICE_ALIVE) &&
		(info.flags & VOTEQUORUM_INFO_QDEVICE_CAST_VOTE);
	enum witness_state now = votes ? WITNESS_CONNECTED : WITNESS_LOST;
	if (now == m->state.witness)
		return;
	m->state.witness = now;
	tell(m, MEMBERSHIP_WITNESS_CHANGED, NULL);
}

// ---- callbacks of corosync's libraries

static struct membership *owner_of(quorum_handle_t handle)
{
	const void *context = NULL;

	if (quorum_context_get(handle, &context) != CS_OK)
		return NULL;
	return (struct membership *)context;
}

static void on_quorum(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring, uint32_t count,
	const uint32_t *list)
{
	struct membership *m = owner_of(handle);

	(void)ring, (void)count, (void)list;
	if (!m)
		return;
	bool now = quorate != 0, before = m->state.quorate;
	m->state.quorate = now;
	read_witness(m);
	if (now != before && m->state.connected)
		tell(m, now ? MEMBERSHIP_QUORUM_GAINED : MEMBERSHIP_QUORUM_LOST, NULL);
}

static bool listed(uint32_t nodeid, uint32_t count, const uint32_t *list)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == nodeid)
			return true;
	return false;
}

static void on_nodelist(quorum_handle_t handle, struct quorum_ring_id ring, uint32_t member_count,
	const uint32_t *members, uint32_t joined_count, const uint32_t *joined, uint32_t left_count,
	const uint32_t *left)
{
	struct membership *m = owner_of(handle);

	(void)ring, (void)joined_count, (void)joined, (void)left_count, (void)left;
	if (!m)
		return;
	read_nodelist(m);
	int64_t stamp = m->state.connected ? realtime_us() : 0;
	for (size_t i = 0; i < m->state.count; i++) {
		struct member *member = &m->state.members[i];
		bool online = listed(member->nodeid, member_count, members);

		if (online == member->online)
			continue;
		member->online = online;
		member->since_us = stamp;
	}
	if (!m->state.connected) {
		m->state.connected = true;
		log_info("connected to corosync: node id %u, %squorate", m->state.own_nodeid,
			m->state.quorate ? "" : "not ");
		tell(m, MEMBERSHIP_CONNECTED, NULL);
		return;
	}
	// Told after the whole list is right; the callbacks do not wait, so it stays as it is meanwhile.
	for (size_t i = 0; i < m->state.count; i++) {
		const struct member *member = &m->state.members[i];

		if (member->since_us == stamp)
			tell(m, member->online ? MEMBERSHIP_JOINED : MEMBERSHIP_LOST, member);
	}
}

static void on_config(cmap_handle_t handle, cmap_track_handle_t track, int32_t event, const char *key,
	struct cmap_notify_value new_value, struct cmap_notify_value old_value, void *data)
{
	struct membership *m = data;

	(void)handle, (void)track, (void)event, (void)key, (void)new_value, (void)old_value;
	read_nodelist(m);
}

// ---- connecting, and again

static void schedule_retry(struct membership *m);

static void disconnect(struct membership *m)
{
	loop_source_remove(m->quorum_source);
	loop_source_remove(m->cmap_source);
	loop_source_remove(m->witness_poll);
	m->quorum_source = m->cmap_source = m->witness_poll = NULL;
	if (m->has_quorum)
		quorum_finalize(m->quorum);
	if (m->has_votequorum)
		votequorum_finalize(m->votequorum);
	if (m->has_cmap)
		cmap_finalize(m->cmap);
	m->has_quorum = m->has_votequorum = m->has_cmap = false;
}

static void lost_corosync(struct membership *m)
{
	// Called from the sources themselves: they return LOOP_STOP, so they must not be removed a second time.
	bool was_connected = m->state.connected;

	disconnect(m);
	m->state.connected = m->state.quorate = false;
	if (m->state.witness == WITNESS_CONNECTED)
		m->state.witness = WITNESS_LOST;
	for (size_t i = 0; i < m->state.count; i++)
		m->state.members[i].online = false;
	log_warning("corosync on this node has gone");
	schedule_retry(m);
	if (was_connected)
		tell(m, MEMBERSHIP_DISCONNECTED, NULL);
}

static enum loop_verdict on_quorum_fd(int fd, short events, void *data)
{
	struct membership *m = data;

	(void)fd;
	if (!(events & (POLLHUP | POLLERR)) && quorum_dispatch(m->quorum, CS_DISPATCH_ALL) == CS_OK)
		return LOOP_CONTINUE;
	m->quorum_source = NULL;
	lost_corosync(m);
	return LOOP_STOP;
}

static enum loop_verdict on_cmap_fd(int fd, short events, void *data)
{
	struct membership *m = data;

	(void)fd;
	if (!(events & (POLLHUP | POLLERR)) && cmap_dispatch(m->cmap, CS_DISPATCH_ALL) == CS_OK)
		return LOOP_CONTINUE;
	m->cmap_source = NULL;
	lost_corosync(m);
	return LOOP_STOP;
}

static enum loop_verdict on_witness_poll(void *data)
{
	read_witness(data);
	return LOOP_CONTINUE;
}

static bool connect_services(struct membership *m)
{
	quorum_model_v1_data_t model = {
		.model = QUORUM_MODEL_V1,
		.quorum_notify_fn = on_quorum,
		.nodelist_notify_fn = on_nodelist,
	};
	votequorum_callbacks_t none = { 0 };
	cmap_track_handle_t track;
	uint32_t type;

	if (quorum_model_initialize(&m->quorum, QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type, m) !=
		CS_OK)
		return false;
	m->has_quorum = true;
	if (votequorum_initialize(&m->votequorum, &none) != CS_OK)
		return false;
	m->has_votequorum = true;
	if (cmap_initialize(&m->cmap) != CS_OK)
		return false;
	m->has_cmap = true;
	return cmap_get_uint32(m->cmap, "runtime.votequorum.this_node_id", &m->state.own_nodeid) == CS_OK &&
		cmap_track_add(m->cmap, "totem.config_version", CMAP_TRACK_ADD | CMAP_TRACK_MODIFY, on_config,
			m, &track) == CS_OK;
}

// Connected is said by the first node list that comes: until then nobody is known to be online.
static bool connect_all(struct membership *m)
{
	int quorum_fd, cmap_fd, quorate = 0;

	if (!connect_services(m))
		return false;
	read_nodelist(m);
	if (quorum_fd_get(m->quorum, &quorum_fd) != CS_OK || cmap_fd_get(m->cmap, &cmap_fd) != CS_OK)
		return false;
	if (quorum_getquorate(m->quorum, &quorate) != CS_OK)
		return false;
	m->state.quorate = quorate != 0;
	m->quorum_source = loop_add_fd(m->loop, quorum_fd, POLLIN, on_quorum_fd, m);
	m->cmap_source = loop_add_fd(m->loop, cmap_fd, POLLIN, on_cmap_fd, m);
	m->witness_poll = loop_add_timer(m->loop, WITNESS_POLL_MS, on_witness_poll, m);
	read_witness(m);
	return true;
}

static enum loop_verdict try_connect(void *data)
{
	struct membership *m = data;

	m->retry = NULL;
	if (!connect_all(m) || quorum_trackstart(m->quorum, CS_TRACK_CURRENT | CS_TRACK_CHANGES) != CS_OK) {
		disconnect(m);
		schedule_retry(m);
		return LOOP_STOP;
	}
	m->retry_ms = RETRY_MS;
	return LOOP_STOP;
}

static void schedule_retry(struct membership *m)
{
	if (m->retry)
		return;
	m->retry = loop_add_timer(m->loop, m->retry_ms, try_connect, m);
	m->retry_ms = m->retry_ms * 2 < RETRY_LIMIT_MS ? m->retry_ms * 2 : RETRY_LIMIT_MS;
}

struct membership *membership_new(struct loop *loop, membership_cb *changed, void *data)
{
	struct membership *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->loop = loop;
	m->changed = changed;
	m->data = data;
	m->retry_ms = RETRY_MS;
	m->retry = loop_add_idle(loop, try_connect, m);
	return m;
}

void membership_free(struct membership *m)
{
	if (!m)
		return;
	disconnect(m);
	loop_source_remove(m->retry);
	free(m->state.members);
	free(m);
}

void membership_reconnect(struct membership *m)
{
	if (m->state.connected || m->has_quorum)
		return;
	loop_source_remove(m->retry);
	m->retry = NULL;
	m->retry_ms = RETRY_MS;
	m->retry = loop_add_idle(m->loop, try_connect, m);
}

const struct membership_state *membership_state(const struct membership *m)
{
	return &m->state;
}

const struct member *membership_find(const struct membership_state *state, const char *name)
{
	for (size_t i = 0; i < state->count; i++)
		if (!strcmp(state->members[i].name, name))
			return &state->members[i];
	return NULL;
}

const struct member *membership_find_id(const struct membership_state *state, uint32_t nodeid)
{
	for (size_t i = 0; i < state->count; i++)
		if (state->members[i].nodeid == nodeid)
			return &state->members[i];
	return NULL;
}

const struct member *membership_coordinator(const struct membership_state *state)
{
	for (size_t i = 0; i < state->count; i++)
		if (state->members[i].online)
			return &state->members[i];
	return NULL;
}
