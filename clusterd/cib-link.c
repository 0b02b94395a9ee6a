// SPDX-License-Identifier: GPL-3.0-or-later
// The connection to the CIB: one background task opens, reads, waits for a change, reads again, and closes when
// Pacemaker has gone and nobody borrows the connection any more.
#include "clusterd/cib-link.h"

#include <glib.h>
#include <string.h>

#include "common/log.h"
#include "common/task.h"

#define OPEN_TIMEOUT_MS 15000u
#define RETRY_MS 500u
#define RETRY_LIMIT_MS 4000u
#define REFRESH_MS 30000u // a lost notification is made good at the latest then

struct cib_link {
	struct loop *loop;
	struct notice *changed;
	cib_link_cb *seen;
	void *data;
	struct cib *cib; // NULL: not connected
	unsigned borrowers;
	bool lost, dirty, started;
	struct task_wait wake;
	struct notice returned;
	struct snapshot *latest;
	char reason[256];
};

static void wake(struct cib_link *link)
{
	task_wake(&link->wake);
}

static void on_changed(void *data)
{
	struct cib_link *link = data;

	link->dirty = true;
	wake(link);
}

static void on_lost(void *data)
{
	struct cib_link *link = data;

	link->lost = true;
	wake(link);
}

void snapshot_release(struct snapshot *snapshot)
{
	if (!snapshot || --snapshot->references)
		return;
	cib_snapshot_free(snapshot->cib);
	g_free(snapshot);
}

static int refresh(struct cib_link *link, struct error *err)
{
	struct cib_snapshot *read = NULL;

	if (cib_link_do(link, err, cib_snapshot(cib, &read, err)) < 0)
		return -1;
	struct snapshot *fresh = g_new0(struct snapshot, 1);
	fresh->references = 1;
	fresh->cib = read;
	snapshot_release(link->latest);
	link->latest = fresh;
	link->seen(read, link->data);
	notice_raise(link->changed);
	return 0;
}

// Until the connection is lost.
static void follow(struct cib_link *link)
{
	struct error err = ERROR_INIT;

	link->dirty = true;
	while (!link->lost) {
		error_clear(&err);
		if (link->dirty) {
			link->dirty = false;
			if (refresh(link, &err) < 0) {
				log_warning("reading the CIB: %s", err.message);
				return;
			}
			continue;
		}
		if (task_wait(&link->wake, REFRESH_MS, "a change of the CIB", &err) < 0) {
			if (err.code != ERROR_TIMEOUT)
				return;
			link->dirty = true;
		}
	}
}

static void disconnect(struct cib_link *link)
{
	struct cib *old = link->cib;
	struct error err = ERROR_INIT;

	link->cib = NULL;
	notice_raise(link->changed);
	while (link->borrowers > 0)
		if (notice_look(&link->returned, OPEN_TIMEOUT_MS, "the CIB's borrowers", &err) < 0)
			return;
	cib_close(old);
}

static void link_task(void *data)
{
	struct cib_link *link = data;
	unsigned retry_ms = RETRY_MS;
	struct error err = ERROR_INIT;

	for (;;) {
		error_clear(&err);
		link->lost = false;
		link->cib = cib_open(link->loop, "holdfast-clusterd", OPEN_TIMEOUT_MS, &err);
		if (link->cib) {
			retry_ms = RETRY_MS;
			cib_watch(link->cib, on_changed, on_lost, link);
			log_info("connected to the CIB");
			follow(link);
			log_warning("Pacemaker on this node has gone");
			disconnect(link);
			g_strlcpy(link->reason, "Pacemaker on this node has gone", sizeof(link->reason));
		} else {
			g_strlcpy(link->reason, err.message, sizeof(link->reason));
		}
		error_clear(&err);
		// cib_link_start wakes us early; anything but a time-out or that is the end.
		if (task_wait(&link->wake, retry_ms, "the next try", &err) < 0 && err.code != ERROR_TIMEOUT)
			return;
		retry_ms = retry_ms * 2 < RETRY_LIMIT_MS ? retry_ms * 2 : RETRY_LIMIT_MS;
	}
}

struct cib_link *cib_link_new(struct loop *loop, struct notice *changed, cib_link_cb *seen, void *data)
{
	struct cib_link *link = g_new0(struct cib_link, 1);

	link->loop = loop;
	link->changed = changed;
	link->seen = seen;
	link->data = data;
	g_strlcpy(link->reason, "this node is in no cluster", sizeof(link->reason));
	return link;
}

void cib_link_free(struct cib_link *link)
{
	if (!link)
		return;
	if (link->cib)
		cib_close(link->cib);
	snapshot_release(link->latest);
	g_free(link);
}

void cib_link_start(struct cib_link *link)
{
	struct error err = ERROR_INIT;

	if (link->started) {
		wake(link);
		return;
	}
	link->started = task_start(link->loop, "cib", link_task, link, &err) != NULL;
	if (!link->started)
		log_error("%s", err.message);
}

bool cib_link_connected(const struct cib_link *link)
{
	return link->cib != NULL && link->latest != NULL;
}

const char *cib_link_reason(const struct cib_link *link)
{
	return link->reason;
}

struct snapshot *cib_link_snapshot(struct cib_link *link, struct error *err)
{
	if (!link->latest) {
		error_set(err, ERROR_UNREACHABLE,
			"Pacemaker on this node cannot be asked (%s): is pacemaker.service running?",
			link->reason);
		return NULL;
	}
	link->latest->references++;
	return link->latest;
}

struct snapshot *cib_link_read(struct cib_link *link, struct error *err)
{
	if (refresh(link, err) < 0)
		return NULL;
	return cib_link_snapshot(link, err);
}

struct cib *cib_link_borrow(struct cib_link *link, struct error *err)
{
	if (!link->cib) {
		error_set(err, ERROR_UNREACHABLE,
			"Pacemaker on this node cannot be asked (%s): is pacemaker.service running?",
			link->reason);
		return NULL;
	}
	link->borrowers++;
	return link->cib;
}

void cib_link_return(struct cib_link *link, int result, const struct error *err)
{
	link->borrowers--;
	notice_raise(&link->returned);
	if (result < 0 && err && err->code == ERROR_UNREACHABLE && link->cib) {
		link->lost = true;
		wake(link);
	}
}
