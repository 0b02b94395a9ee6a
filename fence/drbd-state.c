// SPDX-License-Identifier: GPL-3.0-or-later
// Parses lines such as " 3: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----".
#include "fence/drbd-state.h"

#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"

#define PROC_DRBD "/proc/drbd"
#define PROC_BYTES (4u << 20)

struct line {
	char connection[32], role[32], peer_role[32], disk[32], peer_disk[32];
};

static bool find_line(const char *text, unsigned minor, struct line *line)
{
	while (text && *text) {
		unsigned found;
		if (sscanf(text, " %u: cs:%31s ro:%31[^/ ]/%31s ds:%31[^/ ]/%31s", &found, line->connection,
			    line->role, line->peer_role, line->disk, line->peer_disk) == 6 &&
			found == minor)
			return true;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return false;
}

// The states in which the peer has been heard and has told its state.
static bool is_connected(const char *connection)
{
	static const char *const states[] = { "Connected", "StartingSyncS", "StartingSyncT", "WFBitMapS",
		"WFBitMapT", "WFSyncUUID", "SyncSource", "SyncTarget", "VerifyS", "VerifyT", "PausedSyncS",
		"PausedSyncT", "Ahead", "Behind" };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(connection, states[i]))
			return true;
	return false;
}

void drbd_state_parse(const char *text, const Holdfast__Group *group, struct drbd_state *state)
{
	*state = (struct drbd_state){
		.known = group->n_volumes > 0, .connected = true, .current = true, .peer_current = true
	};
	for (size_t i = 0; i < group->n_volumes; i++) {
		struct line line;
		if (!find_line(text, group->volumes[i]->minor, &line)) {
			*state = (struct drbd_state){ 0 };
			return;
		}
		state->connected &= is_connected(line.connection);
		state->primary |= !strcmp(line.role, "Primary");
		state->current &= !strcmp(line.disk, "UpToDate");
		state->peer_current &= !strcmp(line.peer_disk, "UpToDate");
	}
}

int drbd_state_read(const Holdfast__Group *group, struct drbd_state *state, struct error *err)
{
	cleanup_free char *text = NULL;

	if (file_read(PROC_DRBD, PROC_BYTES, &text, NULL, err) < 0)
		return -1;
	drbd_state_parse(text, group, state);
	return 0;
}
