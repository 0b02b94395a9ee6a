// SPDX-License-Identifier: GPL-3.0-or-later
// The requests of the control socket, a table and a function each.
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "deploy/lab/labd/control.h"
#include "deploy/lab/labd/journal.h"

static int node_named(struct control_client *client, const struct lab *lab, const char *name)
{
	struct error err = ERROR_INIT;
	int node = lab_config_find(lab->config, name);

	if (node < 0) {
		error_set(&err, ERROR_NOT_FOUND, "no node '%s' in this lab; `lab status` lists them", name);
		control_answer(client, &err);
	}
	return node;
}

static void power_done(const struct error *err, void *data)
{
	control_answer(data, err);
	control_release(data);
}

static void post(struct control_client *client, struct lab *lab, const char *name, enum node_event event)
{
	struct error err = ERROR_INIT;
	int node = node_named(client, lab, name);

	if (node < 0)
		return;
	control_hold(client);
	if (nodes_post(lab->nodes, (unsigned)node, event, power_done, client, &err) < 0)
		power_done(&err, client);
}

static void verb_boot(struct control_client *client, struct lab *lab, char **words)
{
	post(client, lab, words[0], NODE_BOOT);
}

static void verb_kill(struct control_client *client, struct lab *lab, char **words)
{
	post(client, lab, words[0], NODE_KILL);
}

static void verb_freeze(struct control_client *client, struct lab *lab, char **words)
{
	post(client, lab, words[0], NODE_FREEZE);
}

static void verb_thaw(struct control_client *client, struct lab *lab, char **words)
{
	post(client, lab, words[0], NODE_THAW);
}

static void became_ready(bool ready, void *data)
{
	struct error err = ERROR_INIT;

	if (!ready)
		error_set(&err, ERROR_FAILED, "the node ended before it was up: see its console.log");
	control_answer(data, ready ? NULL : &err);
}

// wait NODE: until commands run in it
static void verb_wait(struct control_client *client, struct lab *lab, char **words)
{
	struct error err = ERROR_INIT;
	int node = node_named(client, lab, words[0]);

	if (node < 0)
		return;
	if (!nodes_has_process(lab->nodes, (unsigned)node)) {
		error_set(&err, ERROR_FAILED, "node %s is %s: `lab boot %s` starts it", words[0],
			node_state_name(nodes_state(lab->nodes, (unsigned)node)), words[0]);
		control_answer(client, &err);
		return;
	}
	channels_wait_ready(lab->channels, (unsigned)node, became_ready, client);
}

static void job_news(enum exec_news news, int status, void *data)
{
	struct control_client *client = data;

	if (news == EXEC_OUTPUT) {
		control_line(client, "out");
		return;
	}
	*control_job(client) = NULL;
	if (news == EXEC_GONE)
		control_line(client, "gone");
	else
		control_line(client, "exit %d", status);
}

// exec NODE ID: answered by `out` lines and at last `exit STATUS` or `gone`
static void verb_exec(struct control_client *client, struct lab *lab, char **words)
{
	struct error err = ERROR_INIT;
	int node = node_named(client, lab, words[0]);
	enum node_state state;

	if (node < 0)
		return;
	state = nodes_state(lab->nodes, (unsigned)node);
	if (*control_job(client))
		error_set(&err, ERROR_USAGE, "this connection runs a command already");
	else if (state == NODE_FROZEN)
		error_set(&err, ERROR_FAILED, "node %s is frozen: `lab thaw %s` first", words[0], words[0]);
	else if (!nodes_has_process(lab->nodes, (unsigned)node))
		error_set(&err, ERROR_FAILED, "node %s is %s: `lab boot %s` starts it", words[0],
			node_state_name(state), words[0]);
	else
		*control_job(client) =
			exec_start(lab->channels, (unsigned)node, words[1], job_news, client, &err);
	if (err.code != ERROR_NONE)
		control_answer(client, &err);
}

static void verb_in(struct control_client *client, struct lab *lab, char **words)
{
	(void)lab;
	if (*control_job(client))
		exec_input(*control_job(client), (unsigned)strtoul(words[0], NULL, 10));
}

static void verb_eof(struct control_client *client, struct lab *lab, char **words)
{
	(void)lab, (void)words;
	if (*control_job(client))
		exec_input_end(*control_job(client));
}

static void verb_signal(struct control_client *client, struct lab *lab, char **words)
{
	(void)lab;
	if (*control_job(client))
		exec_signal(*control_job(client), atoi(words[0]));
}

// cut A B NETS both|one
static void verb_cut(struct control_client *client, struct lab *lab, char **words)
{
	struct error err = ERROR_INIT;
	struct fault_place place = { .a = words[0], .b = words[1] };
	int result;

	place.direction = strcmp(words[3], "one") == 0 ? FAULT_ONE_WAY : FAULT_BOTH_WAYS;
	result = faults_parse_nets(words[2], &place.nets, &err);
	if (result == 0)
		result = faults_cut(lab->faults, &place, &err);
	if (result == 0)
		journal("cut %s from %s, %s, %s", words[0], words[1], words[2], words[3]);
	control_answer(client, result < 0 ? &err : NULL);
}

// delay A B NETS MS LOSS
static void verb_delay(struct control_client *client, struct lab *lab, char **words)
{
	struct error err = ERROR_INIT;
	struct fault_place place = { .a = words[0], .b = words[1], .direction = FAULT_BOTH_WAYS };
	int result = faults_parse_nets(words[2], &place.nets, &err);

	if (result == 0)
		result = faults_delay(lab->faults, &place, (unsigned)strtoul(words[3], NULL, 10),
			(unsigned)strtoul(words[4], NULL, 10), &err);
	if (result == 0)
		journal("delay %s to %s, %s, %s ms, %s percent lost", words[0], words[1], words[2], words[3],
			words[4]);
	control_answer(client, result < 0 ? &err : NULL);
}

static void verb_heal(struct control_client *client, struct lab *lab, char **words)
{
	(void)words;
	faults_heal(lab->faults);
	journal("all links healed");
	control_answer(client, NULL);
}

static json_t *describe_node(const struct lab *lab, unsigned i)
{
	const struct node_config *node = &lab->config->nodes[i];
	json_t *object = json_pack("{s:s, s:s, s:s, s:b, s:i, s:f}", "name", node->name, "site", node->site,
		"state", node_state_name(nodes_state(lab->nodes, i)), "up", channels_ready(lab->channels, i),
		"pid", (int)nodes_pid(lab->nodes, i), "uptime_s", nodes_uptime_s(lab->nodes, i));

	for (enum lab_net net = 0; net < NET_COUNT; net++) {
		struct switch_counters counters = switch_counters(lab->network, i, net);

		json_object_set_new(object, lab_net_name(net),
			json_pack("{s:I, s:I, s:I, s:I}", "sent", (json_int_t)counters.received, "received",
				(json_int_t)counters.sent, "dropped", (json_int_t)counters.dropped, "refused",
				(json_int_t)counters.refused));
	}
	return object;
}

static void describe_faults(const struct lab *lab, json_t *links)
{
	for (enum lab_net net = 0; net < NET_COUNT; net++) {
		for (unsigned i = 0; i < lab->config->count; i++) {
			for (unsigned j = 0; j < lab->config->count; j++) {
				const struct fault *fault = &lab->faults->pair[net][i][j];

				if (!fault->cut && !fault->delay_ms && !fault->loss_percent)
					continue;
				json_array_append_new(links,
					json_pack("{s:s, s:s, s:s, s:b, s:i, s:i}", "from",
						lab->config->nodes[i].name, "to", lab->config->nodes[j].name,
						"net", lab_net_name(net), "cut", fault->cut, "delay_ms",
						(int)fault->delay_ms, "loss_percent",
						(int)fault->loss_percent));
			}
		}
	}
}

static void verb_status(struct control_client *client, struct lab *lab, char **words)
{
	json_t *nodes = json_array(), *links = json_array(), *root;
	cleanup_free char *text = NULL;

	(void)words;
	for (unsigned i = 0; i < lab->config->count; i++)
		json_array_append_new(nodes, describe_node(lab, i));
	describe_faults(lab, links);
	root = json_pack("{s:o, s:o, s:i}", "nodes", nodes, "links", links, "labd_pid", (int)getpid());
	text = json_dumps(root, JSON_COMPACT);
	control_line(client, "%s", text ? text : "{}");
	json_decref(root);
	control_answer(client, NULL);
}

static void all_down(void *data)
{
	struct lab *lab = data;

	journal("lab down");
	loop_quit(lab->loop);
}

// Answered by the end of the connection, when labd has ended.
static void verb_down(struct control_client *client, struct lab *lab, char **words)
{
	(void)words;
	control_line(client, "going");
	nodes_end_all(lab->nodes, all_down, lab);
}

static const struct control_verb verbs[] = {
	{ "boot", 1, verb_boot },
	{ "kill", 1, verb_kill },
	{ "freeze", 1, verb_freeze },
	{ "thaw", 1, verb_thaw },
	{ "wait", 1, verb_wait },
	{ "exec", 2, verb_exec },
	{ "in", 1, verb_in },
	{ "eof", 0, verb_eof },
	{ "cut", 4, verb_cut },
	{ "delay", 5, verb_delay },
	{ "heal", 0, verb_heal },
	{ "signal", 1, verb_signal },
	{ "down", 0, verb_down },
	{ "status", 0, verb_status },
};

const struct control_verb *control_verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}
