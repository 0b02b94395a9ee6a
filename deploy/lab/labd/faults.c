// SPDX-License-Identifier: GPL-3.0-or-later
// The fault table and how names of nodes and sites pick entries of it. Pure state: moves no frames.
#include "deploy/lab/labd/faults.h"

#include <stdint.h>
#include <string.h>

// Nodes that NAME stands for, as a bit mask; 0 if it is unknown.
static uint32_t nodes_named(const struct lab_config *config, const char *name)
{
	uint32_t mask = 0;
	int index = lab_config_find(config, name);

	if (index >= 0)
		return UINT32_C(1) << index;
	for (unsigned i = 0; i < config->count; i++) {
		if (strcmp(config->nodes[i].site, name) == 0)
			mask |= UINT32_C(1) << i;
	}
	return mask;
}

typedef void fault_edit(struct fault *fault, const struct fault *want);

static void edit_cut(struct fault *fault, const struct fault *want)
{
	fault->cut = want->cut;
}

static void edit_delay(struct fault *fault, const struct fault *want)
{
	fault->delay_ms = want->delay_ms;
	fault->loss_percent = want->loss_percent;
}

static int edit_pairs(struct faults *faults, const struct fault_place *place, fault_edit *edit,
	const struct fault *want, struct error *err)
{
	uint32_t a = nodes_named(faults->config, place->a), b = nodes_named(faults->config, place->b);

	if (!a || !b)
		return error_set(err, ERROR_NOT_FOUND,
			"no node or site '%s' in this lab; `lab status` lists them", a ? place->b : place->a);
	if (a & b)
		return error_set(err, ERROR_USAGE,
			"'%s' and '%s' have a node in common: name two different places", place->a, place->b);
	for (unsigned net = 0; net < NET_COUNT; net++) {
		for (unsigned i = 0; i < faults->config->count; i++) {
			for (unsigned j = 0; j < faults->config->count; j++) {
				if (!(place->nets & 1u << net) || !(a >> i & 1) || !(b >> j & 1))
					continue;
				edit(&faults->pair[net][i][j], want);
				if (place->direction == FAULT_BOTH_WAYS)
					edit(&faults->pair[net][j][i], want);
			}
		}
	}
	return 0;
}

int faults_cut(struct faults *faults, const struct fault_place *place, struct error *err)
{
	const struct fault want = { .cut = true };

	return edit_pairs(faults, place, edit_cut, &want, err);
}

int faults_delay(struct faults *faults, const struct fault_place *place, unsigned ms, unsigned loss_percent,
	struct error *err)
{
	const struct fault want = { .delay_ms = ms, .loss_percent = loss_percent };

	if (ms > FAULT_DELAY_MAX_MS)
		return error_set(
			err, ERROR_USAGE, "a delay of %u ms is too long: at most %d", ms, FAULT_DELAY_MAX_MS);
	if (loss_percent > 100)
		return error_set(
			err, ERROR_USAGE, "a loss of %u percent makes no sense: 0 to 100", loss_percent);
	return edit_pairs(faults, place, edit_delay, &want, err);
}

void faults_heal(struct faults *faults)
{
	memset(faults->pair, 0, sizeof(faults->pair));
}

int faults_parse_nets(const char *text, unsigned *nets, struct error *err)
{
	if (strcmp(text, "data") == 0)
		*nets = 1u << NET_DATA;
	else if (strcmp(text, "mgmt") == 0)
		*nets = 1u << NET_MGMT;
	else if (strcmp(text, "all") == 0)
		*nets = 1u << NET_DATA | 1u << NET_MGMT;
	else
		return error_set(err, ERROR_USAGE, "no network '%s': data, mgmt or all", text);
	return 0;
}
