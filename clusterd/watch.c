// SPDX-License-Identifier: GPL-3.0-or-later
// The watch: see the header. It is told on the loop and never waits, but for the task that composes a failover, which
// waits for the last of its parts.
#include "clusterd/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "clusterd/status.h"
#include "clusterd/story.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "common/task.h"
#include "proto/json.h"

#define FENCED_TIMEOUT_MS \
	5000u // for the news that the lost owner was fenced, after the start that waited for it
#define CONFIRMED_DIRECTORY CONFIG_STATE_DIRECTORY "/confirmed"

struct owned { // who had a group last, while it was to be online
	char node[64];
	int64_t seen_us;
};

struct watch {
	struct clusterd *cd;
	bool lost_quorum, witness_seen;
	GHashTable *unclean; // names of nodes that are lost and not proved gone
	GHashTable *owners; // group -> struct owned
};

static int64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// ---- corosync

static void tell(struct watch *watch, const char *kind, const struct member *member, const char *text)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	cleanup_free char *time =
		event_time_text(member && member->since_us ? member->since_us : realtime_us());

	event.kind = (char *)kind;
	event.time = time;
	event.text = (char *)text;
	if (member)
		event.node = (char *)member->name;
	events_emit(watch->cd->events, &event);
}

// Of the nodes that were there before the change, the one with the lowest id tells. One that has no quorum yet is
// itself the newcomer.
static bool tells(const struct watch *watch, const struct member *changed)
{
	const struct membership_state *state = membership_state(watch->cd->membership);

	if (!watch->cd->in_cluster || !state->quorate)
		return false;
	for (size_t i = 0; i < state->count; i++) {
		const struct member *member = &state->members[i];

		if (!member->online || (changed && changed->online && member->since_us == changed->since_us))
			continue;
		return member->nodeid == state->own_nodeid;
	}
	return false;
}

static void quorum_changed(struct watch *watch, bool gained)
{
	if (!watch->cd->in_cluster || (gained && !watch->lost_quorum))
		return;
	watch->lost_quorum = !gained;
	tell(watch, gained ? "quorum-gained" : "quorum-lost", NULL,
		gained ? "quorum is back"
		       : "quorum is lost: this node reboots itself if it cannot get it back");
}

static void witness_changed(struct watch *watch)
{
	enum witness_state now = membership_state(watch->cd->membership)->witness;

	if (now == WITNESS_LOST && watch->witness_seen && tells(watch, NULL))
		tell(watch, "witness-lost", NULL, "the witness does not answer");
	else if (now == WITNESS_CONNECTED && watch->witness_seen && tells(watch, NULL))
		tell(watch, "witness-connected", NULL, "the witness answers again");
	watch->witness_seen |= now == WITNESS_CONNECTED;
}

void watch_membership(struct watch *watch, enum membership_change change, const struct member *member)
{
	g_autofree char *text = NULL;

	switch (change) {
	case MEMBERSHIP_LOST:
		text = g_strdup_printf("node %s is lost", member->name);
		if (tells(watch, member))
			tell(watch, "node-lost", member, text);
		break;
	case MEMBERSHIP_JOINED:
		text = g_strdup_printf("node %s is here", member->name);
		if (tells(watch, member))
			tell(watch, "node-joined", member, text);
		break;
	case MEMBERSHIP_QUORUM_GAINED:
	case MEMBERSHIP_QUORUM_LOST:
		quorum_changed(watch, change == MEMBERSHIP_QUORUM_GAINED);
		break;
	case MEMBERSHIP_WITNESS_CHANGED:
		witness_changed(watch);
		break;
	case MEMBERSHIP_CONNECTED:
	case MEMBERSHIP_DISCONNECTED:
		break;
	}
}

// ---- Pacemaker

static bool told_lately(const struct watch *watch, const char *kind, const char *node, unsigned seconds)
{
	return story_last(events_store(watch->cd->events), kind, node, realtime_us() - seconds * 1000000ll) !=
		NULL;
}

// A node may also be fenced while it is a member still, because a stop failed there.
static void node_seen(struct watch *watch, const struct cib_node *node)
{
	const char *name = node->node->name;

	if (!node->clean) {
		g_hash_table_add(watch->unclean, g_strdup(name));
		return;
	}
	if (!g_hash_table_remove(watch->unclean, name) || node->online || !clusterd_coordinates(watch->cd) ||
		told_lately(watch, "node-fenced", name, 30))
		return;
	events_emit_text(watch->cd->events, "node-fenced", name, NULL,
		told_lately(watch, "node-confirmed", name, 60)
			? "node %s is down: an administrator confirmed it"
			: "node %s was fenced",
		name);
}

static void group_seen(struct watch *watch, const struct cib_group *group)
{
	const char *name = group->spec->group->name, *owner = status_owner(group);

	if (!group->wanted_started) {
		g_hash_table_remove(watch->owners, name);
		return;
	}
	// A start that is under way may show its node as active already.
	if (!owner || group->pending)
		return;
	struct owned *owned = g_hash_table_lookup(watch->owners, name);
	if (!owned) {
		owned = g_new0(struct owned, 1);
		g_hash_table_insert(watch->owners, g_strdup(name), owned);
	}
	if (strcmp(owned->node, owner)) {
		g_strlcpy(owned->node, owner, sizeof(owned->node));
		owned->seen_us = realtime_us();
	}
}

void watch_snapshot(struct watch *watch, const struct cib_snapshot *cib)
{
	for (size_t i = 0; i < cib->node_count; i++)
		node_seen(watch, &cib->nodes[i]);
	for (size_t i = 0; i < cib->group_count; i++)
		group_seen(watch, &cib->groups[i]);
}

// ---- failovers

struct composition {
	struct clusterd *cd;
	Holdfast__Event *started;
	struct owned previous;
};

static void compose_task(void *data)
{
	struct composition *work = data;
	const struct event_store *store = events_store(work->cd->events);
	int64_t deadline = loop_now_us() + FENCED_TIMEOUT_MS * 1000ll, left_ms;
	Holdfast__Event *failover = NULL;
	struct error err = ERROR_INIT;

	while (!story_failover(
		store, work->started, work->previous.node, work->previous.seen_us, STORY_FENCED, &failover)) {
		left_ms = (deadline - loop_now_us()) / 1000;
		if (left_ms <= 0 ||
			notice_wait(events_notice(work->cd->events), (unsigned)left_ms, "the fencing's event",
				&err) < 0)
			break;
	}
	if (failover ||
		story_failover(store, work->started, work->previous.node, work->previous.seen_us,
			STORY_FENCED_OR_NOT, &failover)) {
		events_emit(work->cd->events, failover);
		holdfast__event__free_unpacked(failover, NULL);
	}
	holdfast__event__free_unpacked(work->started, NULL);
	g_free(work);
}

static void group_started(struct watch *watch, const Holdfast__Event *started)
{
	const struct owned *owned = g_hash_table_lookup(watch->owners, started->group);
	struct error err = ERROR_INIT;

	if (!owned || !strcmp(owned->node, started->node))
		return;
	struct composition *work = g_new0(struct composition, 1);
	work->cd = watch->cd;
	work->started = (Holdfast__Event *)proto_copy(&started->base);
	work->previous = *owned;
	if (task_start(watch->cd->loop, "failover event", compose_task, work, &err))
		return;
	log_warning("%s", err.message);
	holdfast__event__free_unpacked(work->started, NULL);
	g_free(work);
}

// ---- an administrator's word

// The file's time is the proof's: it counts only for a loss before it.
static void keep_confirmation(const Holdfast__Event *event)
{
	cleanup_free char *path = g_strdup_printf(CONFIRMED_DIRECTORY "/%s", event->node);
	cleanup_free char *text = g_strdup_printf("%s\n", event->time);
	int64_t said_us = event_time_us(event->time);
	const struct timespec said = { .tv_sec = said_us / 1000000, .tv_nsec = said_us % 1000000 * 1000 };
	struct error err = ERROR_INIT;

	if (!name_valid(event->node) || said_us < 0)
		return;
	if (file_make_directory(CONFIRMED_DIRECTORY, 0750, &err) < 0 ||
		file_write_atomic(path, text, strlen(text), 0640, &err) < 0)
		log_error("%s", err.message);
	else if (utimensat(AT_FDCWD, path, (const struct timespec[]){ said, said }, 0) < 0)
		log_error("%s: %s", path, strerror(errno));
}

static void on_event(const Holdfast__Event *event, bool fresh, void *data)
{
	struct watch *watch = data;

	if (fresh && !strcmp(event->kind, "node-confirmed"))
		keep_confirmation(event);
	else if (fresh && !strcmp(event->kind, "group-started") &&
		!strcmp(event->node, watch->cd->config.node))
		group_started(watch, event);
}

struct watch *watch_new(struct clusterd *cd)
{
	struct watch *watch = g_new0(struct watch, 1);

	watch->cd = cd;
	watch->unclean = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	watch->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	events_listen(cd->events, on_event, watch);
	return watch;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	g_hash_table_unref(watch->unclean);
	g_hash_table_unref(watch->owners);
	g_free(watch);
}
