// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD calls this when a Primary has lost its peer (all I/O is frozen until the answer) and when a node without its peer is to be
// promoted. It looks, decides (fence-decide.c) and acts until there is an answer. DRBD asks once: after a bad answer to a Primary only the
// peer's return would thaw it, and drbdadm ends handlers after 600 s. So shortly before that a Primary's handler goes on by itself, and its
// answer is `drbdsetup resume-io`.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include "clusterd/cib.h"
#include "common/cleanup.h"
#include "common/spawn.h"
#include "fence/drbd-state.h"
#include "fence/fence-decide.h"
#include "fence/handler.h"
#include "fence/members.h"
#include "fence/proof.h"

#define CIB_MS 8000
#define LOOK_AGAIN_MS 250
#define SETTLE_MARGIN_MS 2000
#define PROMOTE_MS 60000 // a promotion that has to wait longer is refused: Pacemaker tries again
#define PRIMARY_MS 570000
#define SINCE_MARGIN_S 60 // DRBD may notice the loss this much later than an administrator
#define RESUME_MS 20000

struct fencing {
	struct handler handler;
	struct members_watch *members;
	Holdfast__GroupSpec *spec;
	Holdfast__Node *peer;
	int64_t begin_ms, settled_ms;
	time_t since;
	bool recorded, alone; // alone: DRBD has had its (bad) answer
	struct proof proof;
	struct error why; // of the last look
	char said[600];
};

// ---- looking

static const char *peer_name(const struct fencing *fencing)
{
	const Holdfast__Group *group = fencing->spec->group;

	for (size_t i = 0; i < group->n_replicas; i++)
		if (strcmp(group->replicas[i]->node, fencing->handler.node))
			return group->replicas[i]->node;
	return "";
}

static void read_activity(struct fencing *fencing, struct cib *cib, struct sight *sight)
{
	struct cib_snapshot *snapshot = NULL;

	// if it cannot be known, the group counts as running there: nothing is written then
	sight->peer_active = sight->moving = true;
	if (cib_snapshot(cib, &snapshot, &fencing->why) < 0)
		return;
	const struct cib_group *group = cib_snapshot_group(snapshot, fencing->handler.group);
	if (group) {
		sight->peer_active = false;
		for (size_t i = 0; group->active_on[i]; i++)
			sight->peer_active |= !strcmp(group->active_on[i], fencing->peer->name);
		sight->moving = group->pending || group->move_to;
	}
	cib_snapshot_free(snapshot);
}

static int read_cluster(struct fencing *fencing, struct cib *cib, struct sight *sight)
{
	cleanup_free char *current = NULL;

	holdfast__group_spec__free_unpacked(steal_ptr(fencing->spec), NULL);
	holdfast__node__free_unpacked(steal_ptr(fencing->peer), NULL);
	if (cib_read_group(cib, fencing->handler.group, &fencing->spec, &current, &fencing->why) < 0 ||
		cib_read_node(cib, peer_name(fencing), &fencing->peer, &fencing->why) < 0)
		return -1;
	if (current)
		sight->record = strcmp(current, fencing->handler.node) ? RECORD_OTHERS : RECORD_OURS;
	return 0;
}

static int read_members(struct fencing *fencing, struct sight *sight)
{
	struct members members;

	if (!fencing->members && !(fencing->members = members_open(&fencing->why)))
		return -1;
	if (members_read(fencing->members, &members, &fencing->why) < 0) {
		members_close(steal_ptr(fencing->members));
		return -1;
	}
	sight->quorate = members.quorate;
	sight->peer_member = members_has(&members, fencing->peer->nodeid);
	if (!sight->quorate)
		error_set(&fencing->why, ERROR_UNSAFE, "this side has no quorum");
	return 0;
}

static void read_drbd(struct fencing *fencing, struct sight *sight)
{
	struct drbd_state state = { 0 };

	if (drbd_state_read(fencing->spec->group, &state, &fencing->why) < 0)
		return;
	sight->connected = state.known && state.connected;
	sight->primary = state.primary;
}

static struct sight look(struct fencing *fencing)
{
	struct sight sight = { .recorded = fencing->recorded };
	struct cib *cib;

	error_clear(&fencing->why);
	cib = cib_open(NULL, fencing->handler.program, CIB_MS, &fencing->why);
	if (!cib)
		return sight;
	if (read_cluster(fencing, cib, &sight) == 0) {
		read_drbd(fencing, &sight);
		sight.clustered = read_members(fencing, &sight) == 0;
		if (sight.clustered && sight.peer_member && !sight.primary)
			read_activity(fencing, cib, &sight);
	}
	cib_close(cib);
	sight.settled = handler_now_ms() >= fencing->settled_ms;
	if (sight.clustered && !sight.peer_member)
		sight.proof =
			proof_check(fencing->peer->name, fencing->since, &fencing->proof, &fencing->why) > 0;
	return sight;
}

// ---- acting

static void record(struct fencing *fencing)
{
	struct cib *cib = cib_open(NULL, fencing->handler.program, CIB_MS, &fencing->why);

	if (!cib)
		return;
	fencing->recorded =
		cib_set_current(cib, fencing->handler.group, fencing->handler.node, &fencing->why) == 0;
	cib_close(cib);
	if (fencing->recorded)
		handler_say(&fencing->handler, LOG_NOTICE,
			"recorded in the cluster: only %s has current data", fencing->handler.node);
}

// Waiting is said once per reason.
static void say_waiting(struct fencing *fencing, const struct sight *sight)
{
	char text[sizeof(fencing->said)];

	snprintf(text, sizeof(text), "waiting: %s",
		fencing->why.code	      ? fencing->why.message
			: !sight->peer_member ? "the peer is lost and not proved to be gone (fencing, or "
						"`holdfast node confirm-down`)"
			: !sight->settled     ? "until the membership shows whether the peer is lost"
					      : "for the cluster");
	if (strcmp(text, fencing->said)) {
		handler_say(&fencing->handler, LOG_NOTICE, "%s", text);
		memcpy(fencing->said, text, sizeof(text));
	}
}

static void say_verdict(const struct fencing *fencing, enum verdict verdict)
{
	const char *peer = fencing->peer ? fencing->peer->name : "?";

	handler_say(&fencing->handler, LOG_NOTICE, "peer %s, after %lld ms: %s%s%s (exit %d)", peer,
		(long long)(handler_now_ms() - fencing->begin_ms), fence_verdict_text(verdict),
		verdict == VERDICT_FENCED ? ": " : "", verdict == VERDICT_FENCED ? fencing->proof.kind : "",
		fence_exit_code(verdict));
}

// The answer of a handler that DRBD does not wait for any more.
static void resume(const struct fencing *fencing)
{
	const Holdfast__Group *group = fencing->spec->group;

	for (size_t i = 0; i < group->n_volumes; i++) {
		struct error err = ERROR_INIT;
		char minor[16];
		snprintf(minor, sizeof(minor), "%u", group->volumes[i]->minor);
		if (spawn_run_blocking((const char *const[]){ "drbdsetup", "resume-io", minor, NULL },
			    RESUME_MS, NULL, &err) < 0)
			handler_say(
				&fencing->handler, LOG_ERR, "cannot thaw volume %s: %s", minor, err.message);
		else
			handler_say(&fencing->handler, LOG_NOTICE, "thawed volume %s", minor);
	}
}

// Until there is a verdict or the time is up (TIMEOUT_MS depends on the role, which is known after the first look).
static enum verdict decide(struct fencing *fencing, bool *primary)
{
	for (;;) {
		struct sight sight = look(fencing);
		enum verdict verdict = fence_decide(&sight);
		*primary = sight.primary;
		if (verdict == VERDICT_RECORD)
			record(fencing);
		else if (verdict != VERDICT_WAIT)
			return verdict;
		else
			say_waiting(fencing, &sight);
		if (!fencing->alone &&
			handler_now_ms() - fencing->begin_ms >= (sight.primary ? PRIMARY_MS : PROMOTE_MS))
			return verdict;
		if (verdict == VERDICT_RECORD && fencing->recorded)
			continue;
		struct pollfd pollfd = { .fd = members_fd(fencing->members), .events = POLLIN };
		poll(&pollfd, 1, LOOK_AGAIN_MS);
	}
}

// The child goes on; DRBD gets its answer from the parent.
static int go_on_alone(struct fencing *fencing)
{
	bool primary;

	handler_say(&fencing->handler, LOG_WARNING,
		"I/O stays frozen; going on to wait, so that it is thawed when it may be");
	if (handler_detach() != 1)
		return fence_exit_code(VERDICT_WAIT);
	fencing->alone = true;
	fencing->members = NULL; // the parent's connection
	enum verdict verdict = decide(fencing, &primary);
	say_verdict(fencing, verdict);
	if (primary && (verdict == VERDICT_FENCED || verdict == VERDICT_OUTDATED))
		resume(fencing);
	return 0;
}

int main(void)
{
	struct fencing fencing = { .begin_ms = handler_now_ms(), .since = time(NULL) - SINCE_MARGIN_S };
	bool primary = false;

	if (handler_init(&fencing.handler, "drbd-fence-peer", &fencing.why) < 0)
		return fence_exit_code(VERDICT_REFUSE);
	fencing.settled_ms = fencing.begin_ms + members_detection_ms() + SETTLE_MARGIN_MS;
	handler_say(&fencing.handler, LOG_NOTICE,
		"DRBD has no connection to the peer (%s) and asks whether to go on alone",
		getenv("DRBD_PEERS") ? getenv("DRBD_PEERS") : "?");
	enum verdict verdict = decide(&fencing, &primary);
	say_verdict(&fencing, verdict);
	int code = fence_exit_code(verdict);
	if (primary && (verdict == VERDICT_WAIT || verdict == VERDICT_RECORD))
		code = go_on_alone(&fencing);
	holdfast__group_spec__free_unpacked(fencing.spec, NULL);
	holdfast__node__free_unpacked(fencing.peer, NULL);
	members_close(fencing.members);
	return code;
}
