// SPDX-License-Identifier: GPL-3.0-or-later
// Requests for the services of this node: what the lab's `systemctl` sends, the start of the enabled units at boot, and the orderly
// shutdown. Each is a list of steps over units that are done one after the other, a step when its unit has settled.
// Socket /run/lab/init, SOCK_SEQPACKET: one packet of words, each ended by a NUL byte; answered by one packet, the exit status as a
// letter '0' + status, then text.
#ifndef NODE_REQUESTS_H
#define NODE_REQUESTS_H

#include "common/loop.h"
#include "deploy/lab/node/units.h"

struct requests;

enum shutdown_kind { SHUTDOWN_REBOOT, SHUTDOWN_POWEROFF };
typedef void requests_shutdown_cb(enum shutdown_kind kind, void *data);	// all units have stopped

struct requests *requests_new(struct loop *loop, struct units *units, requests_shutdown_cb *shut_down, void *data,
			      struct error *err) MUST_CHECK;
void requests_start_enabled(struct requests *requests);
void requests_units_changed(struct requests *requests);		// after any change of a unit's state

#endif
