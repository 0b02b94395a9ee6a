// SPDX-License-Identifier: GPL-3.0-or-later
// The power of the lab's nodes: one state machine each (nodes.c has the table), asked by the command line and by the power switches. An
// answer comes when what was asked for is true: a node that was switched off is gone with all its processes.
#ifndef LABD_NODES_H
#define LABD_NODES_H

#include <stdbool.h>
#include "common/loop.h"
#include "deploy/lab/labd/config.h"

enum node_state {
	NODE_OFF,		// switched off; a power switch can switch it on
	NODE_DARK,		// without power (`lab kill`): only `lab boot` brings it back
	NODE_RUNNING,
	NODE_FROZEN,
	NODE_ENDING_OFF,	// being killed; then off, dark, or started again
	NODE_ENDING_DARK,
	NODE_ENDING_CYCLE,
	NODE_STATES
};

enum node_event {
	NODE_BOOT, NODE_KILL, NODE_FREEZE, NODE_THAW,	// the command line
	FENCE_OFF, FENCE_ON, FENCE_REBOOT,		// a power switch
	GUEST_POWEROFF,					// the node says that it switches itself off
	PROCESS_GONE,
	NODE_EVENTS
};

struct nodes;

// Called once, when the node has settled after the event; ERR is NULL if all went well.
typedef void nodes_done_cb(const struct error *err, void *data);

struct nodes_watcher {
	void (*started)(unsigned node, int channel, void *data);	// the channel stays open until `ended`
	void (*ended)(unsigned node, void *data);
	void *data;
};

struct nodes *nodes_new(struct loop *loop, const struct lab_config *config, const struct nodes_watcher *watcher);
void nodes_free(struct nodes *nodes);	// all nodes must have ended: nodes_end_all first
// -1 at once if the event makes no sense in this state. DONE may be NULL.
int nodes_post(struct nodes *nodes, unsigned node, enum node_event event, nodes_done_cb *done, void *data, struct error *err)
	MUST_CHECK;
enum node_state nodes_state(const struct nodes *nodes, unsigned node);
bool nodes_has_process(const struct nodes *nodes, unsigned node);	// what a power switch calls "on"
pid_t nodes_pid(const struct nodes *nodes, unsigned node);		// of its minder; 0: none
double nodes_uptime_s(const struct nodes *nodes, unsigned node);
const char *node_state_name(enum node_state state);
// Kills all nodes; DONE when the last one is gone.
void nodes_end_all(struct nodes *nodes, void (*done)(void *data), void *data);

#endif
