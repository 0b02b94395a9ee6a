// SPDX-License-Identifier: GPL-3.0-or-later
// Fault injection for tests: a daemon that was started with HOLDFAST_FAULT=NAME in its environment ends itself with SIGKILL when it comes to the
// point of that name. With HOLDFAST_FAULT_TRACE=FILE it writes there the names of the points that it comes to, so that a test finds them all.
// With HOLDFAST_FAULT_FILE=FILE, which may come and go, it does at the point that FILE names what FILE says, "kill NAME" or "stop NAME" (SIGSTOP,
// so that a test can do something to others at just that moment), and takes FILE away. Without the variables a point does nothing.
#ifndef COMMON_FAULT_H
#define COMMON_FAULT_H

void fault_point(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
