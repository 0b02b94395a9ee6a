// SPDX-License-Identifier: GPL-3.0-or-later
// What a guest shows: a picture of its screen, and the end of what its console said. Both go to the client as data, in pieces.
#ifndef HYPERVISOR_VM_SCREEN_H
#define HYPERVISOR_VM_SCREEN_H

#include "common/rpc.h"
#include "hypervisor/vm.h"

// The caller frees *png.
int screen_draw(struct vm *vm, char **png, size_t *count, struct error *err) MUST_CHECK;	// waits
int screen_send(struct vm *vm, struct rpc_call *call, struct error *err) MUST_CHECK;	// waits; a PNG
// The last LINES lines; also of a guest that has ended, as long as its log is there.
int console_send_tail(struct vm *vm, unsigned lines, struct rpc_call *call, struct error *err) MUST_CHECK;

#endif
