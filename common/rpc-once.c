// SPDX-License-Identifier: GPL-3.0-or-later
// One call over a Unix socket without a loop, for programs of one call: blocking, with a deadline. Knows no TLS.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/rpc.h"
#include "common/rpc-socket.h"

#define BACKLOG_RETRY_MS 20

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// How long is waited: until the deadline, or until GIVE_UP, which is asked every EVERY_MS, says so.
struct patience {
	int64_t deadline_ms;
	unsigned every_ms;
	rpc_give_up_fn *give_up; // may be NULL
	void *data;
};

static int wait_fd(int fd, short events, const struct patience *patience, struct error *err)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	for (;;) {
		int64_t left_ms = patience->deadline_ms - now_ms();
		if (left_ms <= 0)
			return error_set(err, ERROR_TIMEOUT, "no reply in time");
		int ready = poll(&pollfd, 1, left_ms > patience->every_ms ? (int)patience->every_ms : (int)left_ms);
		if (ready > 0)
			return 0;
		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, errno, "cannot wait for the reply");
		if (ready == 0 && patience->give_up && patience->give_up(patience->data, err))
			return -1;
	}
}

static int connect_until(const char *path, int64_t deadline_ms, struct error *err)
{
	struct error why = ERROR_INIT;
	int fd;

	// A full backlog gives no event when it has room again.
	while ((fd = rpc_socket_connect_unix(path, &why)) < 0 && why.errnum == EAGAIN &&
		now_ms() < deadline_ms)
		poll(NULL, 0, BACKLOG_RETRY_MS);
	return fd < 0 ? error_copy(err, &why) : fd;
}

static int send_all(int fd, const uint8_t *bytes, size_t count, const struct patience *patience, struct error *err)
{
	while (count > 0) {
		ssize_t put = send(fd, bytes, count, MSG_NOSIGNAL);
		if (put >= 0) {
			bytes += put;
			count -= (size_t)put;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0; // the server may have said why: read it
		} else if (errno != EINTR && errno != EAGAIN) {
			return error_set_errno(err, errno, "cannot send the request");
		} else if (wait_fd(fd, POLLOUT, patience, err) < 0) {
			return -1;
		}
	}
	return 0;
}

static int send_request(
	int fd, const Holdfast__Request *request, const struct patience *patience, struct error *err)
{
	size_t size = holdfast__request__get_packed_size(request);

	if (size > FRAME_LIMIT_BYTES)
		return error_set(err, ERROR_NO_SPACE, "the request has %zu bytes, the limit is %u", size,
			FRAME_LIMIT_BYTES);
	cleanup_free uint8_t *frame = malloc(FRAME_HEADER_BYTES + size);
	if (!frame)
		return error_set(err, ERROR_NO_SPACE, "no memory for a request of %zu bytes", size);
	frame_header_encode(frame, (uint32_t)size);
	holdfast__request__pack(request, frame + FRAME_HEADER_BYTES);
	return send_all(fd, frame, FRAME_HEADER_BYTES + size, patience, err);
}

static int receive_frame(int fd, struct frame_decoder *decoder, const struct patience *patience,
	Holdfast__Reply **reply, struct error *err)
{
	uint8_t piece[16384];
	const uint8_t *body;
	size_t size;
	int got;

	while ((got = frame_decoder_next(decoder, &body, &size, err)) == 0) {
		if (wait_fd(fd, POLLIN, patience, err) < 0)
			return -1;
		ssize_t count = recv(fd, piece, sizeof(piece), 0);
		if (count == 0)
			return error_set(err, ERROR_UNREACHABLE, "the server hung up before it replied");
		if (count < 0 && errno != EAGAIN && errno != EINTR)
			return error_set_errno(err, errno, "cannot read the reply");
		if (count > 0 && frame_decoder_feed(decoder, piece, (size_t)count, err) < 0)
			return -1;
	}
	if (got < 0)
		return -1;
	*reply = holdfast__reply__unpack(NULL, size, body);
	if (!*reply)
		return error_set(
			err, ERROR_PROTOCOL, "the server sent a message of %zu bytes that is no reply", size);
	return 0;
}

static int receive_reply(
	int fd, uint64_t id, const struct patience *patience, Holdfast__Reply **reply, struct error *err)
{
	struct frame_decoder decoder;
	int result = 1;

	frame_decoder_init(&decoder, FRAME_LIMIT_BYTES);
	while (result == 1) {
		if (receive_frame(fd, &decoder, patience, reply, err) < 0) {
			result = -1;
			break;
		}
		switch ((*reply)->body_case) {
		case HOLDFAST__REPLY__BODY_ERROR:
			error_set(err,
				(*reply)->error->code ? (enum error_code)(*reply)->error->code : ERROR_FAILED,
				"%s", (*reply)->error->message);
			result = -1;
			break;
		case HOLDFAST__REPLY__BODY_PROGRESS:
		case HOLDFAST__REPLY__BODY_EVENT:
		case HOLDFAST__REPLY__BODY_DATA:
			break;
		default:
			result = (*reply)->id == id
				? 0
				: error_set(err, ERROR_PROTOCOL, "the server replied to another request");
		}
		if (result != 0) {
			holdfast__reply__free_unpacked(*reply, NULL);
			*reply = NULL;
		}
	}
	frame_decoder_done(&decoder);
	return result;
}

static int call_once(const char *path, Holdfast__Request *request, unsigned timeout_ms, struct patience *patience,
	Holdfast__Reply **reply, struct error *err)
{
	patience->deadline_ms = now_ms() + timeout_ms;
	cleanup_fd int fd = connect_until(path, patience->deadline_ms, err);

	*reply = NULL;
	if (fd < 0)
		return -1;
	request->id = 1;
	if (request->timeout_ms == 0)
		request->timeout_ms = timeout_ms;
	if (send_request(fd, request, patience, err) < 0 ||
		receive_reply(fd, request->id, patience, reply, err) < 0)
		return err && err->code == ERROR_TIMEOUT ? error_prefix(err, "%s", path) : -1;
	return 0;
}

int rpc_call_once(const char *path, Holdfast__Request *request, unsigned timeout_ms, Holdfast__Reply **reply,
	struct error *err)
{
	struct patience patience = { .every_ms = 60000 };

	return call_once(path, request, timeout_ms, &patience, reply, err);
}

int rpc_call_once_unless(const char *path, Holdfast__Request *request, unsigned timeout_ms, unsigned every_ms,
	rpc_give_up_fn *give_up, void *data, Holdfast__Reply **reply, struct error *err)
{
	struct patience patience = { .every_ms = every_ms, .give_up = give_up, .data = data };

	return call_once(path, request, timeout_ms, &patience, reply, err);
}
