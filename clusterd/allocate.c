// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers and places for new things: see the header. Works on definitions that may be partly filled in and never keeps a pointer.
#include "clusterd/allocate.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

uint64_t allocate_round_up(uint64_t bytes)
{
	return (bytes + ALLOCATE_MIB - 1) / ALLOCATE_MIB * ALLOCATE_MIB;
}

int allocate_port(const struct allocate_world *world, uint32_t *port, struct error *err)
{
	for (uint32_t candidate = ALLOCATE_PORT_FIRST; candidate <= ALLOCATE_PORT_LAST; candidate++) {
		bool used = false;

		for (size_t i = 0; i < world->group_count && !used; i++)
			used = world->groups[i]->port == candidate;
		if (!used) {
			*port = candidate;
			return 0;
		}
	}
	return error_set(err, ERROR_NO_SPACE, "all replication ports from %u to %u are in use",
		ALLOCATE_PORT_FIRST, ALLOCATE_PORT_LAST);
}

static bool minor_used(const struct allocate_world *world, uint32_t minor)
{
	for (size_t i = 0; i < world->group_count; i++) {
		const Holdfast__Group *group = world->groups[i];

		if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
			continue;
		for (size_t v = 0; v < group->n_volumes; v++)
			if (group->volumes[v]->minor == minor)
				return true;
	}
	return false;
}

int allocate_minor(const struct allocate_world *world, const uint32_t *taken, size_t taken_count,
	uint32_t *minor, struct error *err)
{
	for (uint32_t candidate = 0; candidate <= ALLOCATE_MINOR_LAST; candidate++) {
		bool used = minor_used(world, candidate);

		for (size_t i = 0; i < taken_count && !used; i++)
			used = taken[i] == candidate;
		if (!used) {
			*minor = candidate;
			return 0;
		}
	}
	return error_set(err, ERROR_NO_SPACE, "all DRBD minor numbers are in use");
}

int allocate_nodeid(const struct allocate_world *world, const char *site, uint32_t *nodeid, struct error *err)
{
	uint32_t index = 0, last = 0;

	for (size_t i = 0; i < world->node_count; i++) {
		uint32_t of_node = world->nodes[i]->nodeid / 100;

		if (of_node > last)
			last = of_node;
		if (!strcmp(world->nodes[i]->site, site))
			index = of_node;
	}
	if (index == 0)
		index = last + 1;
	for (uint32_t n = 1; n < 100; n++) {
		bool used = false;

		for (size_t i = 0; i < world->node_count && !used; i++)
			used = world->nodes[i]->nodeid == index * 100 + n;
		if (!used) {
			*nodeid = index * 100 + n;
			return 0;
		}
	}
	return error_set(err, ERROR_NO_SPACE, "site %s has 99 nodes already", site);
}

// ---- places

static const Holdfast__Node *node_of(const struct allocate_world *world, const char *name)
{
	for (size_t i = 0; i < world->node_count; i++)
		if (!strcmp(world->nodes[i]->name, name))
			return world->nodes[i];
	return NULL;
}

static bool among(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static int names_check(const struct allocate_world *world, const char *what, char *const *names, size_t count,
	struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (!node_of(world, names[i]))
			return error_set(err, ERROR_NOT_FOUND,
				"%s owner %s is no node of this cluster: see 'holdfast node list'", what,
				names[i]);
		if (among(names, i, names[i]))
			return error_set(err, ERROR_USAGE, "%s owner %s is named twice", what, names[i]);
	}
	return 0;
}

static void append_name(char ***names, size_t *count, const char *name)
{
	*names = g_realloc_n(*names, *count + 1, sizeof(**names));
	(*names)[(*count)++] = g_strdup(name);
}

static void add_replica(Holdfast__Group *group, const Holdfast__Node *node)
{
	Holdfast__Replica *replica = g_new0(Holdfast__Replica, 1);

	holdfast__replica__init(replica);
	replica->node = g_strdup(node->name);
	replica->address = g_strdup(node->address);
	group->replicas = g_realloc_n(group->replicas, group->n_replicas + 1, sizeof(*group->replicas));
	group->replicas[group->n_replicas++] = replica;
}

// The first wish, and the next one at another site.
static int choose_replicas(const struct allocate_world *world, Holdfast__Group *group, struct error *err)
{
	const char *wishes[2 * 64] = { NULL };
	size_t count = 0;

	for (size_t i = 0; i < group->n_preferred && count < G_N_ELEMENTS(wishes); i++)
		wishes[count++] = group->preferred[i];
	for (size_t i = 0; i < group->n_possible && count < G_N_ELEMENTS(wishes); i++)
		wishes[count++] = group->possible[i];
	const Holdfast__Node *first = node_of(world, wishes[0]);
	for (size_t i = 1; i < count; i++) {
		const Holdfast__Node *second = node_of(world, wishes[i]);

		if (!strcmp(second->site, first->site))
			continue;
		add_replica(group, first);
		add_replica(group, second);
		return 0;
	}
	return error_set(err, ERROR_USAGE,
		"group %s needs a possible owner at a second site for its second replica: all that were "
		"named are at site %s",
		group->name, first->site);
}

// An owner without a replica could not open the disks.
static int limit_possible_to_replicas(Holdfast__Group *group, bool was_given, struct error *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < group->n_possible; i++) {
		bool has = !strcmp(group->possible[i], group->replicas[0]->node) ||
			!strcmp(group->possible[i], group->replicas[1]->node);

		if (has) {
			group->possible[kept++] = group->possible[i];
			continue;
		}
		if (was_given || among(group->preferred, group->n_preferred, group->possible[i]))
			return error_set(err, ERROR_USAGE,
				"node %s cannot own group %s: its replicas are on %s and %s, and a group has "
				"two",
				group->possible[i], group->name, group->replicas[0]->node,
				group->replicas[1]->node);
		free(group->possible[i]);
	}
	group->n_possible = kept;
	return 0;
}

static int check_replicas(const struct allocate_world *world, Holdfast__Group *group, struct error *err)
{
	if (group->n_replicas != 2)
		return error_set(err, ERROR_USAGE, "group %s has %zu replicas: give two, at two sites",
			group->name, group->n_replicas);
	for (size_t i = 0; i < 2; i++) {
		Holdfast__Replica *replica = group->replicas[i];
		const Holdfast__Node *node = node_of(world, replica->node);

		if (!node)
			return error_set(err, ERROR_NOT_FOUND, "replica node %s is no node of this cluster",
				replica->node);
		if (!replica->address[0])
			replica->address = g_strdup(node->address);
	}
	if (!strcmp(node_of(world, group->replicas[0]->node)->site,
		    node_of(world, group->replicas[1]->node)->site))
		return error_set(err, ERROR_USAGE,
			"both replicas of group %s are at site %s: the loss of the site would lose it",
			group->name, node_of(world, group->replicas[0]->node)->site);
	return 0;
}

int allocate_places(const struct allocate_world *world, Holdfast__Group *group, struct error *err)
{
	bool possible_given = group->n_possible > 0;

	if (world->node_count == 0)
		return error_set(err, ERROR_FAILED, "the cluster has no nodes yet");
	if (names_check(world, "preferred", group->preferred, group->n_preferred, err) < 0 ||
		names_check(world, "possible", group->possible, group->n_possible, err) < 0)
		return -1;
	if (!possible_given) {
		// Preferred ones first, then the others in the order of their ids.
		for (size_t i = 0; i < group->n_preferred; i++)
			append_name(&group->possible, &group->n_possible, group->preferred[i]);
		for (size_t i = 0; i < world->node_count; i++)
			if (!among(group->possible, group->n_possible, world->nodes[i]->name))
				append_name(&group->possible, &group->n_possible, world->nodes[i]->name);
	}
	for (size_t i = 0; i < group->n_preferred; i++)
		if (!among(group->possible, group->n_possible, group->preferred[i]))
			return error_set(err, ERROR_USAGE,
				"preferred owner %s is not among the possible owners of group %s",
				group->preferred[i], group->name);
	if (group->storage != HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		return 0;
	if (group->n_replicas == 0 && choose_replicas(world, group, err) < 0)
		return -1;
	if (check_replicas(world, group, err) < 0)
		return -1;
	return limit_possible_to_replicas(group, possible_given, err);
}

#define STATE_OWN_BYTES (16 * ALLOCATE_MIB) // the file system's
#define STATE_EXTRA_MIB 8 // what a save adds to the memory

static bool has_checkpoints(const Holdfast__Vm *vm)
{
	for (size_t i = 0; i < vm->n_disks; i++)
		if (vm->disks[i]->format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2)
			return true;
	return false;
}

uint64_t allocate_state_need(const Holdfast__GroupSpec *spec, enum allocate_state enough)
{
	uint64_t need = STATE_OWN_BYTES;

	for (size_t i = 0; i < spec->n_vms; i++) {
		uint64_t one = (spec->vms[i]->memory_mib + STATE_EXTRA_MIB) * ALLOCATE_MIB;
		bool twice = enough == ALLOCATE_STATE_AMPLE && has_checkpoints(spec->vms[i]);

		need += twice ? 2 * one : one;
	}
	return need;
}

uint64_t allocate_state_has(const Holdfast__GroupSpec *spec)
{
	if (spec->group->storage == HOLDFAST__STORAGE_KIND__STORAGE_DRBD)
		for (size_t i = 0; i < spec->group->n_volumes; i++)
			if (spec->group->volumes[i]->index == 0)
				return spec->group->volumes[i]->size_bytes;
	return UINT64_MAX;
}
