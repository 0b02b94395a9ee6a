// SPDX-License-Identifier: GPL-3.0-or-later
// ocf:holdfast:group: reads what Pacemaker gives in the environment and runs one action of the table.
#include "clusterd/agent/agent.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/config.h"
#include "common/name.h"

#define TIMEOUT_DEFAULT_MS 60000
#define RETRY_MS 300

static const struct {
	const char *name;
	enum ocf (*run)(struct agent *agent);
} actions[] = {
	{ "start", agent_start },
	{ "stop", agent_stop },
	{ "monitor", agent_monitor },
	{ "status", agent_monitor },
	{ "migrate_to", agent_migrate_to },
	{ "migrate_from", agent_migrate_from },
	{ "validate-all", agent_validate },
};

// ---- shared

void agent_reason(const struct agent *agent, const char *format, ...)
{
	char text[640];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "ocf-exit-reason:%s\n", text);
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t agent_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

unsigned agent_left_ms(const struct agent *agent)
{
	int64_t left = agent->deadline_ms - agent_now_ms();

	return left > 0 ? (unsigned)left : 0;
}

int agent_call(const struct agent *agent, Holdfast__Request *request, unsigned limit_ms,
	Holdfast__Reply **reply, struct error *err)
{
	unsigned left = agent_left_ms(agent);

	request->timeout_ms = 0;
	return rpc_call_once(agent->socket, request, left < limit_ms ? left : limit_ms, reply, err);
}

bool agent_unanswered(const struct error *err)
{
	return err->errnum || err->code == ERROR_UNREACHABLE || err->code == ERROR_TIMEOUT;
}

bool agent_retry(const struct agent *agent)
{
	if (agent_left_ms(agent) <= RETRY_MS)
		return false;
	poll(NULL, 0, RETRY_MS); // a socket that is not there yet gives no event
	return true;
}

// ---- this action

// The part of the time-out that is left for saying why, and for Pacemaker's own delays.
static unsigned margin_ms(unsigned timeout_ms)
{
	return timeout_ms > 20000 ? 5000 : timeout_ms / 4;
}

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && value[0] ? value : otherwise;
}

static void find_node(struct agent *agent)
{
	const char *name = environment("OCF_RESKEY_CRM_meta_on_node", NULL);
	struct config config = { 0 };

	if (name)
		snprintf(agent->node, sizeof(agent->node), "%s", name);
	else if (config_load(CONFIG_FILE, &config, NULL) == 0)
		snprintf(agent->node, sizeof(agent->node), "%s", config.node);
	config_done(&config);
}

static int prepare(struct agent *agent, struct error *err)
{
	unsigned timeout_ms = (unsigned)strtoul(environment("OCF_RESKEY_CRM_meta_timeout", "0"), NULL, 10);

	if (!timeout_ms)
		timeout_ms = TIMEOUT_DEFAULT_MS;
	agent->deadline_ms = agent_now_ms() + timeout_ms - margin_ms(timeout_ms);
	agent->generation = (uint64_t)clock_ms(CLOCK_REALTIME);
	agent->group = environment("OCF_RESOURCE_INSTANCE", "");
	agent->socket = environment("OCF_RESKEY_socket", RPC_HYPERVISORD_SOCKET);
	agent->run.root = environment("OCF_RESKEY_run_directory", NULL);
	agent->target = environment("OCF_RESKEY_CRM_meta_migrate_target", "");
	find_node(agent);
	return name_check("group", agent->group, err);
}

int main(int argc, char **argv)
{
	struct agent agent = { 0 };
	struct error err = ERROR_INIT;
	const char *action = argc == 2 ? argv[1] : "";

	if (!strcmp(action, "meta-data")) {
		agent_print_metadata();
		return OCF_SUCCESS;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(action, actions[i].name))
			continue;
		if (prepare(&agent, &err) < 0) {
			agent_reason(&agent, "%s", err.message);
			return OCF_ERR_CONFIGURED;
		}
		return (int)actions[i].run(&agent);
	}
	fprintf(stderr, "usage: %s start|stop|monitor|migrate_to|migrate_from|validate-all|meta-data\n",
		argv[0]);
	return OCF_ERR_UNIMPLEMENTED;
}
