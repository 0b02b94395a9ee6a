// SPDX-License-Identifier: GPL-3.0-or-later
// The lab's ethernet switch: two networks, on each a port per node (a Unix socket that UML's `bess` transport connects to), on mgmt also a
// port per power switch (inside this process). Learns addresses, forwards, and applies the fault table to each frame.
#ifndef LABD_SWITCH_H
#define LABD_SWITCH_H

#include <stddef.h>
#include <stdint.h>
#include "common/loop.h"
#include "deploy/lab/labd/faults.h"

struct lab_switch;

// A frame for the power switch of NODE.
typedef void switch_bmc_cb(unsigned node, const uint8_t *frame, size_t bytes, void *data);

#define SWITCH_FRAME_MAX 9300

// Listens on RUNTIME/data.NODE and RUNTIME/mgmt.NODE. FAULTS is looked at for each frame and must outlive the switch.
struct lab_switch *switch_new(struct loop *loop, const struct lab_config *config, const struct faults *faults,
			      struct error *err) MUST_CHECK;
void switch_free(struct lab_switch *lab_switch);
void switch_attach_bmcs(struct lab_switch *lab_switch, switch_bmc_cb *input, void *data);
// A frame from the power switch of NODE.
void switch_send_from_bmc(struct lab_switch *lab_switch, unsigned node, const uint8_t *frame, size_t bytes);

struct switch_counters {
	uint64_t received, sent;
	uint64_t dropped;	// the node did not take them in time
	uint64_t refused;	// by the fault table
};
struct switch_counters switch_counters(const struct lab_switch *lab_switch, unsigned node, enum lab_net net);

#endif
