// SPDX-License-Identifier: GPL-3.0-or-later
// The node's networks: bridges that its configuration names. A guest's NIC on one is a tap that lives as long as somebody has its descriptor, which
// after the spawn is QEMU alone: nothing has to be taken away, whoever dies.
#ifndef HYPERVISOR_TAP_H
#define HYPERVISOR_TAP_H

#include <stdbool.h>
#include "common/config.h"
#include "common/error.h"
#include "proto/definition.pb-c.h"

// Makes a tap, puts it on NETWORK's bridge and brings it up. MAC is the guest's: the tap's own is made from it, above all others, so that the bridge
// does not take it over. ERROR_NOT_FOUND: this node has no such network, or not its bridge.
int tap_open(const struct config *config, const char *network, const char *mac, int *fd, struct error *err) MUST_CHECK;
bool tap_network_there(const struct config *config, const char *network);
// Whether this node has all networks of VM, with their bridges.
int tap_check(const struct config *config, const Holdfast__Vm *vm, struct error *err) MUST_CHECK;

#endif
