// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD calls this when a volume of this node has caught up with the peer's. When all volumes of the group have, the record that only the peer has
// current data is no longer true and is cleared. At boot the resync can be over before the cluster is there: so it is done in a process of its own,
// which DRBD does not wait for.
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include "clusterd/cib.h"
#include "common/cleanup.h"
#include "fence/drbd-state.h"
#include "fence/handler.h"

#define CIB_MS 10000
#define LOOK_AGAIN_MS 1000
#define GIVE_UP_MS (30 * 60 * 1000)

enum outcome { AGAIN, DONE };

static enum outcome clear(const struct handler *handler, struct cib *cib, const Holdfast__GroupSpec *spec,
	const char *current, struct error *err)
{
	struct drbd_state state;

	if (!current)
		return DONE;
	if (!strcmp(current, handler->node)) {
		handler_say(handler, LOG_WARNING,
			"was resynced from the peer, but the record says that only this node has current "
			"data: left as it is");
		return DONE;
	}
	if (drbd_state_read(spec->group, &state, err) < 0 || !state.known)
		return AGAIN;
	if (!state.connected || !state.current || !state.peer_current)
		return AGAIN; // another volume is not done, or the peer went away again
	// the state was looked at after the CIB: a record of a new loss would have changed the epoch
	if (cib_clear_current(cib, handler->group, spec->epoch, err) < 0)
		return AGAIN;
	handler_say(handler, LOG_NOTICE,
		"all volumes are up to date again: the record that only %s has current data is cleared",
		current);
	return DONE;
}

// Before this node has joined, its copy of the CIB is an old one.
static enum outcome attempt(const struct handler *handler, struct error *err)
{
	struct cib *cib = cib_open(NULL, handler->program, CIB_MS, err);
	Holdfast__GroupSpec *spec = NULL;
	cleanup_free char *current = NULL;
	enum outcome outcome = AGAIN;
	enum cib_life life;

	if (!cib)
		return AGAIN;
	if (cib_read_life(cib, handler->node, &life, err) == 0 && life == CIB_LIFE_MEMBER &&
		cib_read_group(cib, handler->group, &spec, &current, err) == 0)
		outcome = clear(handler, cib, spec, current, err);
	holdfast__group_spec__free_unpacked(spec, NULL);
	cib_close(cib);
	return outcome;
}

int main(void)
{
	struct handler handler;
	struct error err = ERROR_INIT;
	int64_t deadline = handler_now_ms() + GIVE_UP_MS;

	if (handler_init(&handler, "drbd-after-resync-target", &err) < 0)
		return 1;
	int detached = handler_detach();
	if (detached <= 0)
		return detached < 0;
	for (;;) {
		error_clear(&err);
		if (attempt(&handler, &err) == DONE)
			return 0;
		if (handler_now_ms() >= deadline)
			break;
		poll(NULL, 0,
			LOOK_AGAIN_MS); // the cluster's coming up gives no event to a program outside of it
	}
	handler_say(&handler, LOG_ERR, "could not clear the record of who has current data: %s", err.message);
	return 1;
}
