// SPDX-License-Identifier: GPL-3.0-or-later
// A QMP session with one QEMU (jansson over a Unix socket): commands with deadlines from tasks, events to a callback. Lines over 1 MiB,
// garbage and replies to nothing end the session: a hostile guest may own its QEMU.
#ifndef HYPERVISOR_QMP_H
#define HYPERVISOR_QMP_H

#include <jansson.h>
#include "common/error.h"
#include "common/loop.h"
#include "common/task.h"

// A QMP of NULL is one that has ended: every verb answers ERROR_UNREACHABLE.
struct qmp;
typedef void qmp_event_cb(const char *event, const json_t *data, double seconds, void *arg);	// SECONDS: QEMU's time stamp
typedef void qmp_closed_cb(void *arg);

// Connects, reads the greeting, negotiates capabilities.
struct qmp *qmp_open(struct loop *loop, const char *path, unsigned timeout_ms, qmp_event_cb *event, qmp_closed_cb *closed, void *arg,
	struct error *err) MUST_CHECK;	// waits
void qmp_free(struct qmp *qmp);
void qmp_set_arg(struct qmp *qmp, void *arg);	// of the callbacks, from now on

// ARGUMENTS is stolen (may be NULL). *result (may be NULL) is the caller's to json_decref. QEMU's own error text is in err.
int qmp_command(struct qmp *qmp, const char *command, json_t *arguments, unsigned timeout_ms, json_t **result,
	struct error *err) MUST_CHECK;	// waits
// Sends several commands at once and waits for all replies (each within the time); the first error is reported, all are carried out in order.
// The steps' arguments are stolen.
#define QMP_BATCH_MAX 80
struct qmp_step { const char *command; json_t *arguments; };
int qmp_batch(struct qmp *qmp, const struct qmp_step *steps, size_t count, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// The same with more: FDS, one for each step or NULL, are passed with it unless they are -1; *last is the last step's result (the caller's to
// json_decref; left alone if that failed).
int qmp_batch_passing(struct qmp *qmp, const struct qmp_step *steps, const int *fds, size_t count, unsigned timeout_ms, json_t **last,
	struct error *err) MUST_CHECK;	// waits
// add-fd with SCM_RIGHTS into fd set SET; the caller closes its own copy.
int qmp_add_fd(struct qmp *qmp, int fd, int set, struct error *err) MUST_CHECK;	// waits
int qmp_remove_fd(struct qmp *qmp, int set, struct error *err) MUST_CHECK;	// waits
// getfd: passes FD under NAME for `migrate fd:NAME`.
int qmp_get_fd(struct qmp *qmp, int fd, const char *name, struct error *err) MUST_CHECK;	// waits
// Waits until an event of this name comes (after the call was made) or the session ends.
int qmp_wait_event(struct qmp *qmp, const char *event, unsigned timeout_ms, json_t **data, struct error *err) MUST_CHECK;	// waits
const char *qmp_version(const struct qmp *qmp);		// of QEMU, "7.2.22"

#endif
