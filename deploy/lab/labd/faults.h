// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with the links of the lab: for each network and each ordered pair of nodes a cut, a delay, a loss. A node's power
// switch shares its node's place. Pure state: moves no frames.
#ifndef LABD_FAULTS_H
#define LABD_FAULTS_H

#include <stdbool.h>
#include "deploy/lab/labd/config.h"

struct fault {
	bool cut;
	unsigned delay_ms;
	unsigned loss_percent;
};

struct faults {
	const struct lab_config *config;
	struct fault pair[NET_COUNT][LAB_NODES_MAX][LAB_NODES_MAX];	// [net][from][to]
};

enum fault_direction { FAULT_BOTH_WAYS, FAULT_ONE_WAY };

// A and B name a node, a site or `witness`; NETS is a mask of 1u << enum lab_net.
struct fault_place {
	const char *a, *b;
	unsigned nets;
	enum fault_direction direction;
};

#define FAULT_DELAY_MAX_MS 60000

int faults_cut(struct faults *faults, const struct fault_place *place, struct error *err) MUST_CHECK;
int faults_delay(struct faults *faults, const struct fault_place *place, unsigned ms, unsigned loss_percent, struct error *err)
	MUST_CHECK;
void faults_heal(struct faults *faults);
// "data", "mgmt" or "all" to a mask of networks.
int faults_parse_nets(const char *text, unsigned *nets, struct error *err) MUST_CHECK;

#endif
