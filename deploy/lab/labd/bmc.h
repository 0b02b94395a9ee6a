// SPDX-License-Identifier: GPL-3.0-or-later
// The nodes' power switches: hosts of their own on the mgmt network (10.0.2.100 + the node's id) at their nodes' places. They answer
// ARP and the requests of bmc/wire.h, after what was asked for has really happened. A request is carried out once per nonce.
#ifndef LABD_BMC_H
#define LABD_BMC_H

#include <stddef.h>
#include <stdint.h>
#include "deploy/lab/labd/nodes.h"

struct bmcs;
typedef void bmc_output_cb(unsigned node, const uint8_t *frame, size_t bytes, void *data);

struct bmcs *bmcs_new(struct nodes *nodes, const struct lab_config *config, bmc_output_cb *output, void *data);
void bmcs_free(struct bmcs *bmcs);
// A frame that reached the switch of NODE.
void bmcs_input(struct bmcs *bmcs, unsigned node, const uint8_t *frame, size_t bytes);

#endif
