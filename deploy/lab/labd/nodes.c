// SPDX-License-Identifier: GPL-3.0-or-later
// The state machine of a node's power. Always holds: a node has a minder exactly in the states RUNNING, FROZEN and ENDING_*. Pairs of
// state and event that are not in the table are refused.
#include "deploy/lab/labd/nodes.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include "deploy/lab/labd/journal.h"
#include "deploy/lab/labd/minder.h"

// A node that ends by itself so soon after its start, so often in a row, is broken and stays off.
#define SHORT_LIFE_S 2.0
#define SHORT_LIVES_MAX 5

enum action { REFUSE, NONE, START, KILL, FREEZE, THAW, RESTART };

struct rule {
	enum action action;
	enum node_state next;
};

// clang-format off
static const struct rule rules[NODE_STATES][NODE_EVENTS] = {
	[NODE_OFF] = {
		[NODE_BOOT] = { START, NODE_RUNNING },
		[NODE_KILL] = { NONE, NODE_DARK },
		[FENCE_OFF] = { NONE, NODE_OFF },
		[FENCE_ON] = { START, NODE_RUNNING },
		[FENCE_REBOOT] = { START, NODE_RUNNING },
	},
	[NODE_DARK] = {
		[NODE_BOOT] = { START, NODE_RUNNING },
		[NODE_KILL] = { NONE, NODE_DARK },
		[FENCE_OFF] = { NONE, NODE_DARK },
		[FENCE_ON] = { NONE, NODE_DARK },
		[FENCE_REBOOT] = { NONE, NODE_DARK },
	},
	[NODE_RUNNING] = {
		[NODE_KILL] = { KILL, NODE_ENDING_DARK },
		[NODE_FREEZE] = { FREEZE, NODE_FROZEN },
		[FENCE_OFF] = { KILL, NODE_ENDING_OFF },
		[FENCE_ON] = { NONE, NODE_RUNNING },
		[FENCE_REBOOT] = { KILL, NODE_ENDING_CYCLE },
		[GUEST_POWEROFF] = { KILL, NODE_ENDING_OFF },
		[PROCESS_GONE] = { RESTART, NODE_RUNNING },
	},
	[NODE_FROZEN] = {
		[NODE_KILL] = { KILL, NODE_ENDING_DARK },
		[NODE_THAW] = { THAW, NODE_RUNNING },
		[FENCE_OFF] = { KILL, NODE_ENDING_OFF },
		[FENCE_ON] = { NONE, NODE_FROZEN },
		[FENCE_REBOOT] = { KILL, NODE_ENDING_CYCLE },
		[PROCESS_GONE] = { RESTART, NODE_RUNNING },
	},
	[NODE_ENDING_OFF] = {
		[NODE_BOOT] = { NONE, NODE_ENDING_CYCLE },
		[NODE_KILL] = { NONE, NODE_ENDING_DARK },
		[FENCE_OFF] = { NONE, NODE_ENDING_OFF },
		[FENCE_ON] = { NONE, NODE_ENDING_CYCLE },
		[FENCE_REBOOT] = { NONE, NODE_ENDING_CYCLE },
		[GUEST_POWEROFF] = { NONE, NODE_ENDING_OFF },
		[PROCESS_GONE] = { NONE, NODE_OFF },
	},
	[NODE_ENDING_DARK] = {
		[NODE_BOOT] = { NONE, NODE_ENDING_CYCLE },
		[NODE_KILL] = { NONE, NODE_ENDING_DARK },
		[FENCE_OFF] = { NONE, NODE_ENDING_DARK },
		[FENCE_ON] = { NONE, NODE_ENDING_DARK },
		[FENCE_REBOOT] = { NONE, NODE_ENDING_DARK },
		[GUEST_POWEROFF] = { NONE, NODE_ENDING_DARK },
		[PROCESS_GONE] = { NONE, NODE_DARK },
	},
	[NODE_ENDING_CYCLE] = {
		[NODE_KILL] = { NONE, NODE_ENDING_DARK },
		[FENCE_OFF] = { NONE, NODE_ENDING_OFF },
		[FENCE_ON] = { NONE, NODE_ENDING_CYCLE },
		[FENCE_REBOOT] = { NONE, NODE_ENDING_CYCLE },
		[GUEST_POWEROFF] = { NONE, NODE_ENDING_CYCLE },
		[PROCESS_GONE] = { START, NODE_RUNNING },
	},
};
// clang-format on

static const char *const state_names[NODE_STATES] = { "off", "dark", "running", "frozen", "ending", "ending",
	"ending" };
static const char *const event_names[NODE_EVENTS] = { "boot", "kill", "freeze", "thaw", "fence off",
	"fence on", "fence reboot", "guest poweroff", "process gone" };

struct waiter {
	SLIST_ENTRY(waiter) link;
	nodes_done_cb *done;
	void *data;
};

struct node {
	struct nodes *owner;
	unsigned index;
	enum node_state state;
	struct minder minder;
	double started_ms;
	unsigned short_lives;
	SLIST_HEAD(, waiter) waiters;
};

struct nodes {
	struct loop *loop;
	const struct lab_config *config;
	struct nodes_watcher watcher;
	void (*all_ended)(void *data);
	void *all_ended_data;
	struct node list[LAB_NODES_MAX];
};

static bool is_ending(enum node_state state)
{
	return state == NODE_ENDING_OFF || state == NODE_ENDING_DARK || state == NODE_ENDING_CYCLE;
}

static void answer_waiters(struct node *node, const struct error *err)
{
	struct waiter *waiter;

	while ((waiter = SLIST_FIRST(&node->waiters))) {
		SLIST_REMOVE_HEAD(&node->waiters, link);
		waiter->done(err, waiter->data);
		free(waiter);
	}
}

static void minder_ended(pid_t pid, void *data);

static int start(struct node *node, struct error *err)
{
	struct nodes *nodes = node->owner;

	if (minder_start(&node->minder, &nodes->config->nodes[node->index], err) < 0)
		return -1;
	node->started_ms = loop_now_ms();
	loop_add_pidfd(nodes->loop, node->minder.pidfd, node->minder.pid, minder_ended, node);
	nodes->watcher.started(node->index, node->minder.channel, nodes->watcher.data);
	return 0;
}

static int restart(struct node *node, struct error *err)
{
	if (loop_now_ms() - node->started_ms > SHORT_LIFE_S * 1000)
		node->short_lives = 0;
	if (++node->short_lives > SHORT_LIVES_MAX)
		return error_set(err, ERROR_FAILED, "node %s ends as soon as it starts: see its console.log",
			node->owner->config->nodes[node->index].name);
	return start(node, err);
}

static int act(struct node *node, enum action action, struct error *err)
{
	switch (action) {
	case START:
		node->short_lives = 0;
		return start(node, err);
	case RESTART:
		return restart(node, err);
	case KILL:
		minder_order(&node->minder, MINDER_KILL);
		return 0;
	case FREEZE:
		minder_order(&node->minder, MINDER_FREEZE);
		return 0;
	case THAW:
		minder_order(&node->minder, MINDER_THAW);
		return 0;
	case REFUSE:
	case NONE:
		return 0;
	}
	return 0;
}

static int step(struct node *node, enum node_event event, struct error *err)
{
	const char *name = node->owner->config->nodes[node->index].name;
	const struct rule *rule = &rules[node->state][event];

	if (rule->action == REFUSE)
		return error_set(err, ERROR_FAILED, "node %s is %s: no %s now", name,
			state_names[node->state], event_names[event]);
	journal("node %s: %s while %s", name, event_names[event], state_names[node->state]);
	if (act(node, rule->action, err) < 0) {
		// Only a start can fail.
		node->state = NODE_OFF;
		journal("node %s: %s", name, err->message);
		return -1;
	}
	node->state = rule->next;
	return 0;
}

static void report_if_all_ended(struct nodes *nodes)
{
	if (!nodes->all_ended)
		return;
	for (unsigned i = 0; i < nodes->config->count; i++) {
		if (nodes_has_process(nodes, i))
			return;
	}
	nodes->all_ended(nodes->all_ended_data);
}

static void minder_ended(pid_t pid, void *data)
{
	struct node *node = data;
	struct nodes *nodes = node->owner;
	struct error err = ERROR_INIT;
	int status, result;

	(void)pid;
	nodes->watcher.ended(node->index, nodes->watcher.data);
	status = minder_collect(&node->minder);
	journal("node %s: gone after %.1f s, status %d", nodes->config->nodes[node->index].name,
		(loop_now_ms() - node->started_ms) / 1000, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	result = step(node, PROCESS_GONE, &err);
	answer_waiters(node, result < 0 ? &err : NULL);
	report_if_all_ended(nodes);
}

struct nodes *nodes_new(
	struct loop *loop, const struct lab_config *config, const struct nodes_watcher *watcher)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	nodes->loop = loop;
	nodes->config = config;
	nodes->watcher = *watcher;
	for (unsigned i = 0; i < config->count; i++) {
		nodes->list[i].owner = nodes;
		nodes->list[i].index = i;
		SLIST_INIT(&nodes->list[i].waiters);
	}
	return nodes;
}

void nodes_free(struct nodes *nodes)
{
	free(nodes);
}

int nodes_post(struct nodes *nodes, unsigned index, enum node_event event, nodes_done_cb *done, void *data,
	struct error *err)
{
	struct node *node = &nodes->list[index];
	struct waiter *waiter;

	if (nodes->all_ended)
		return error_set(err, ERROR_FAILED, "the lab is going down");
	if (step(node, event, err) < 0)
		return -1;
	if (!done)
		return 0;
	if (!is_ending(node->state)) {
		done(NULL, data);
		return 0;
	}
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return error_set(err, ERROR_FAILED, "out of memory");
	waiter->done = done;
	waiter->data = data;
	SLIST_INSERT_HEAD(&node->waiters, waiter, link);
	return 0;
}

enum node_state nodes_state(const struct nodes *nodes, unsigned node)
{
	return nodes->list[node].state;
}

bool nodes_has_process(const struct nodes *nodes, unsigned node)
{
	return nodes->list[node].state != NODE_OFF && nodes->list[node].state != NODE_DARK;
}

pid_t nodes_pid(const struct nodes *nodes, unsigned node)
{
	return nodes_has_process(nodes, node) ? nodes->list[node].minder.pid : 0;
}

double nodes_uptime_s(const struct nodes *nodes, unsigned node)
{
	return nodes_has_process(nodes, node) ? (loop_now_ms() - nodes->list[node].started_ms) / 1000 : 0;
}

const char *node_state_name(enum node_state state)
{
	return state_names[state];
}

void nodes_end_all(struct nodes *nodes, void (*done)(void *data), void *data)
{
	nodes->all_ended = done;
	nodes->all_ended_data = data;
	for (unsigned i = 0; i < nodes->config->count; i++) {
		struct node *node = &nodes->list[i];
		struct error err = ERROR_INIT;

		if (step(node, NODE_KILL, &err) < 0)
			journal("%s", err.message);
	}
	report_if_all_ended(nodes);
}
