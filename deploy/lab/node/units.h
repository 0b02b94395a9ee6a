// SPDX-License-Identifier: GPL-3.0-or-later
// The services of a lab node: a fixed table of them (units.c), started, watched, restarted and stopped by PID 1 as systemd does on a real
// node with the units that Debian and Holdfast ship. Knows nothing of who asks.
#ifndef NODE_UNITS_H
#define NODE_UNITS_H

#include <stdbool.h>
#include <sys/types.h>
#include "common/error.h"
#include "common/loop.h"

enum unit_state { UNIT_STOPPED, UNIT_STARTING, UNIT_RUNNING, UNIT_STOPPING, UNIT_WAITING, UNIT_STATES };	// WAITING: to be restarted

#define UNITS_MAX 8

struct units;
typedef void units_changed_cb(void *data);

// CHANGED is called after each change of any unit's state.
struct units *units_new(struct loop *loop, units_changed_cb *changed, void *data, struct error *err) MUST_CHECK;
unsigned units_count(void);
// The index of a unit by its name, with or without ".service"; -1.
int units_find(const char *name);
const char *units_name(unsigned unit);
int units_required(unsigned unit);		// index of the unit that it needs, or -1
enum unit_state units_state(const struct units *units, unsigned unit);
const char *unit_state_name(enum unit_state state);
// Both only begin it; `changed` tells of the end. Starting one that is running, or stopping one that is stopped, is fine.
void units_start(struct units *units, unsigned unit);
void units_stop(struct units *units, unsigned unit);
int units_reload(struct units *units, unsigned unit, struct error *err) MUST_CHECK;	// SIGHUP
bool units_child_ended(struct units *units, pid_t pid, int status);		// false: not ours
bool units_last_start_failed(const struct units *units, unsigned unit);

// What starts at boot; kept over reboots.
bool units_enabled(unsigned unit);
int units_enable(unsigned unit, struct error *err) MUST_CHECK;
int units_disable(unsigned unit, struct error *err) MUST_CHECK;

#endif
