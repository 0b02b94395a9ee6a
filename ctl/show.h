// SPDX-License-Identifier: GPL-3.0-or-later
// Answers as people read them. Pure: a message in, text out; each takes the message that its name says, as its base.
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "ctl/print.h"
#include "proto/api.pb-c.h"

typedef void show_fn(const struct printer *printer, const ProtobufCMessage *message);

show_fn show_cluster_status;	// ClusterStatus
show_fn show_node_list, show_node;
show_fn show_group_list, show_group;
show_fn show_vm_list, show_vm;
show_fn show_volume_list, show_volume;
show_fn show_fence_list;
show_fn show_event_list, show_event;
show_fn show_move;		// MoveResult
show_fn show_refresh;		// RefreshResult
show_fn show_old_data;

enum colour show_group_colour(Holdfast__GroupState state);
enum colour show_node_colour(Holdfast__NodeState state);
// "save 1.20 s, send 0.31 s"; the caller frees it. NULL without memory.
char *show_steps(Holdfast__Step *const *steps, size_t count);

// The part of show_vm about what it may take of its node: show-control.c.
void show_control(const struct printer *printer, const Holdfast__VmStatus *vm);

#endif
