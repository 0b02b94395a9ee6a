// SPDX-License-Identifier: GPL-3.0-or-later
// The resource agent ocf:holdfast:group: one action, then exit. It asks hypervisord, and does without it what must not fail: monitor and stop. It
// never forks and always ends before Pacemaker's time-out.
#ifndef CLUSTERD_AGENT_AGENT_H
#define CLUSTERD_AGENT_AGENT_H

#include <stdint.h>
#include "common/error.h"
#include "common/rpc.h"
#include "hypervisor/rundir.h"
#include "proto/definition.pb-c.h"

enum ocf {
	OCF_SUCCESS = 0,
	OCF_ERR_GENERIC = 1,
	OCF_ERR_ARGS = 2,
	OCF_ERR_UNIMPLEMENTED = 3,
	OCF_ERR_PERM = 4,
	OCF_ERR_INSTALLED = 5,
	OCF_ERR_CONFIGURED = 6,
	OCF_NOT_RUNNING = 7,
};

struct agent {
	const char *group;		// OCF_RESOURCE_INSTANCE
	const char *socket;		// hypervisord's
	struct rundir run;
	const char *target;		// migrate_to: the other node
	char node[64];			// this node
	int64_t deadline_ms;		// CLOCK_MONOTONIC: when this action must have ended, before Pacemaker's own time-out
	uint64_t generation;		// of what this action wants, CLOCK_REALTIME ms
};

// ---- actions; each says why on stderr when it does not succeed

enum ocf agent_start(struct agent *agent);
enum ocf agent_stop(struct agent *agent);
enum ocf agent_monitor(struct agent *agent);
enum ocf agent_migrate_to(struct agent *agent);
enum ocf agent_migrate_from(struct agent *agent);
enum ocf agent_validate(struct agent *agent);
void agent_print_metadata(void);

// ---- shared

// The reason that crm_mon shows.
void agent_reason(const struct agent *agent, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t agent_now_ms(void);
unsigned agent_left_ms(const struct agent *agent);	// until the deadline, 0 if it has passed
// One request; LIMIT_MS or what is left, whichever is shorter.
int agent_call(const struct agent *agent, Holdfast__Request *request, unsigned limit_ms, Holdfast__Reply **reply,
	struct error *err) MUST_CHECK;
// Whether hypervisord did not answer at all, as opposed to having answered with an error.
bool agent_unanswered(const struct error *err);
// Before hypervisord is asked again: it may be starting. False if the action has no time left.
bool agent_retry(const struct agent *agent);

// ---- local.c: the group by the run directory alone

enum agent_health { AGENT_STOPPED, AGENT_RUNNING, AGENT_UNKNOWN };
enum agent_health agent_local_health(struct agent *agent, struct error *err);
// wanted=stopped, guests ended, volumes given up.
int agent_local_stop(struct agent *agent, struct error *err) MUST_CHECK;

// ---- quit.c: QEMU's own `quit`, over the agent's QMP socket

// Tells QEMU to end; does not wait for its end.
int agent_quit_guest(const struct rundir *run, const char *vm, unsigned timeout_ms, struct error *err) MUST_CHECK;

#endif
