// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD multicasts a message on generic netlink (group "events" of family "drbd") for every change of state. What is in it is not read: a
// message may be lost, a look at /proc/drbd never lies. So an event is only the reason to look, and a look more does no harm.
#include "storage/drbd-watch.h"

#include <errno.h>
#include <limits.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "storage/drbd-res.h"
#include "storage/internal.h"

#define PROC_LIMIT (16u << 20)
#define EVENT_BUFFER (1 << 20)

struct drbd_watch {
	struct storage *storage;
	struct nl_sock *socket;
	struct loop_source *source;
};

// Several messages at once, or one that was lost (ENOBUFS), are one reason to look.
static void drain(int fd)
{
	char buffer[8192];

	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS ||
		errno == EINTR)
		;
}

static enum loop_verdict on_event(int fd, short events, void *data)
{
	struct drbd_watch *watch = data;
	struct error err = ERROR_INIT;

	drain(fd);
	if (drbd_watch_look(watch->storage, &err) < 0)
		log_error("the state of DRBD cannot be read: %s", err.message);
	return LOOP_CONTINUE;
}

static int join_events(struct nl_sock *socket, struct error *err)
{
	int status = genl_connect(socket);
	int group = status == 0 ? genl_ctrl_resolve_grp(socket, "drbd", "events") : status;

	if (group >= 0)
		status = nl_socket_add_membership(socket, group);
	if (group < 0 || status < 0)
		return error_set(err, ERROR_FAILED,
			"DRBD's events cannot be heard (%s): is its module loaded?",
			nl_geterror(group < 0 ? group : status));
	nl_socket_disable_seq_check(socket);
	nl_socket_set_nonblocking(socket);
	// Many groups change state at once when a node is lost; what does not fit costs nothing but a look.
	if (nl_socket_set_buffer_size(socket, EVENT_BUFFER, 0) < 0)
		log_debug("DRBD's events have a small buffer");
	return 0;
}

int drbd_watch_start(struct storage *storage, struct error *err)
{
	if (storage->watch)
		return 0;
	struct drbd_watch *watch = calloc(1, sizeof(*watch));
	if (!watch || !(watch->socket = nl_socket_alloc())) {
		free(watch);
		return error_set_errno(err, ENOMEM, "netlink");
	}
	watch->storage = storage;
	if (join_events(watch->socket, err) < 0) {
		drbd_watch_free(watch);
		return -1;
	}
	watch->source = loop_add_fd(storage->loop, nl_socket_get_fd(watch->socket), POLLIN, on_event, watch);
	storage->watch = watch;
	return 0;
}

void drbd_watch_free(struct drbd_watch *watch)
{
	if (!watch)
		return;
	loop_source_remove(watch->source);
	nl_socket_free(watch->socket);
	free(watch);
}

static int record_path(const struct storage *storage, const struct replica *replica, char *path, size_t size,
	struct error *err)
{
	return path_format(path, size, err, "%s/%s.json", storage->run_path, replica->group->name);
}

// What an earlier hypervisord of this boot saw counts as if we had seen it.
static void recall(struct storage *storage, struct replica *replica)
{
	char path[PATH_MAX];
	struct error err = ERROR_INIT;

	if (record_path(storage, replica, path, sizeof(path), &err) == 0 &&
		drbd_record_load(path, &replica->view, &err) < 0 && err.code != ERROR_NOT_FOUND)
		log_warning("group=%s %s", replica->group->name, err.message);
}

static int look_at(struct storage *storage, struct replica *replica, const struct drbd_minor *minors,
	size_t count, struct error *err)
{
	struct drbd_view view;
	char path[PATH_MAX], text[256];
	const char *peer = drbd_res_peer(replica->group, storage->node);

	if (!replica->view.looked)
		recall(storage, replica);
	if (drbd_view_look(&replica->view, replica->group, minors, count, time(NULL), &view, err) < 0)
		return -1;
	bool changed = drbd_view_change(&replica->view, &view, storage->node, peer, text, sizeof(text));
	bool save = drbd_view_differs(&replica->view, &view) || !replica->view.looked;
	drbd_view_done(&replica->view);
	replica->view = view;
	task_wake(&replica->looked);
	if (save &&
		(record_path(storage, replica, path, sizeof(path), err) < 0 ||
			drbd_record_save(path, &view, err) < 0))
		return -1;
	if (changed && storage->event && !replica->quiet)
		storage->event(replica->group->name, text, storage->event_data);
	return 0;
}

static bool any_here(const struct storage *storage)
{
	for (const struct replica *replica = storage->replicas; replica; replica = replica->next)
		if (replica->here && replica->backend == &storage_drbd_backend)
			return true;
	return false;
}

int drbd_watch_look(struct storage *storage, struct error *err)
{
	cleanup_free char *text = NULL;
	cleanup_free struct drbd_minor *minors = NULL;
	size_t count = 0;
	int result = 0;

	if (!any_here(storage))
		return 0;
	if (file_read("/proc/drbd", PROC_LIMIT, &text, NULL, err) < 0) {
		if (!err || err->code != ERROR_NOT_FOUND)
			return -1;
		error_clear(err); // no module: nothing is up
	} else if (drbd_proc_parse(text, &minors, &count, err) < 0)
		return -1;
	for (struct replica *replica = storage->replicas; replica; replica = replica->next)
		if (replica->here && replica->backend == &storage_drbd_backend &&
			look_at(storage, replica, minors, count, err) < 0)
			result = -1;
	return result;
}
