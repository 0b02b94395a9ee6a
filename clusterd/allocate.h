// SPDX-License-Identifier: GPL-3.0-or-later
// Which numbers and places a new thing gets: DRBD ports and minors, node ids, the nodes of a group's replicas, the
// state volume's size. Pure: decides from the definitions only.
#ifndef CLUSTERD_ALLOCATE_H
#define CLUSTERD_ALLOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

#define ALLOCATE_PORT_FIRST 7700u
#define ALLOCATE_PORT_LAST 9699u
#define ALLOCATE_MINOR_LAST 65535u
#define ALLOCATE_MIB ((uint64_t)1 << 20)
#define ALLOCATE_STATE_BYTES (256 * ALLOCATE_MIB)

struct allocate_world {		// all definitions of the cluster
	const Holdfast__Group *const *groups;
	size_t group_count;
	const Holdfast__Node *const *nodes;
	size_t node_count;
};

int allocate_port(const struct allocate_world *world, uint32_t *port, struct error *err) MUST_CHECK;
// The lowest that neither the cluster's groups nor those in TAKEN have.
int allocate_minor(const struct allocate_world *world, const uint32_t *taken, size_t taken_count,
	uint32_t *minor, struct error *err) MUST_CHECK;
// Site index x 100 + n: nodes of a site are neighbours in corosync's ring.
int allocate_nodeid(const struct allocate_world *world, const char *site, uint32_t *nodeid, struct error *err) MUST_CHECK;
// Fills in what the administrator left open and checks the rest: possible owners, preferred of them, two replicas at two sites.
int allocate_places(const struct allocate_world *world, Holdfast__Group *group, struct error *err) MUST_CHECK;
// What the state volume needs, in bytes: to save all VMs of the group at once; and for a checkpoint of each VM that can have some besides.
enum allocate_state { ALLOCATE_STATE_TO_SAVE, ALLOCATE_STATE_AMPLE };
uint64_t allocate_state_need(const Holdfast__GroupSpec *spec, enum allocate_state enough);
uint64_t allocate_state_has(const Holdfast__GroupSpec *spec); // UINT64_MAX: it has no size of its own
uint64_t allocate_round_up(uint64_t bytes);	// to a multiple of 1 MiB

#endif
