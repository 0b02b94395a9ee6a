// SPDX-License-Identifier: GPL-3.0-or-later
// The power switch's client: one socket, one request, one answer. Anything that is not the answer to this very request is ignored.
#include "fence/lab-client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include "common/cleanup.h"

#define RETRANSMIT_MIN_MS 200
#define RETRANSMIT_MAX_MS 1000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int make_nonce(char nonce[BMC_NONCE_DIGITS + 1], struct error *err)
{
	unsigned char random[BMC_NONCE_DIGITS / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_set_errno(err, errno, "cannot get random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

// Waits for one datagram, at most WAIT_MS. 1: it is the answer; 0: not yet.
static int receive(
	int fd, const struct bmc_message *request, const char *key, int wait_ms, enum bmc_word *answer)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct error ignored = ERROR_INIT;
	struct bmc_message reply;
	char datagram[BMC_DATAGRAM_MAX];
	ssize_t bytes;

	if (poll(&poll_fd, 1, wait_ms) <= 0)
		return 0;
	bytes = recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT);
	if (bytes < 0 || bmc_decode(datagram, (size_t)bytes, key, &reply, &ignored) < 0 ||
		bmc_is_request(reply.word) || strcmp(reply.nonce, request->nonce) != 0 ||
		strcmp(reply.address, request->address) != 0)
		return 0;
	*answer = reply.word;
	return 1;
}

static int ask_until(int fd, const struct bmc_message *request, const char *key, int64_t deadline_ms,
	enum bmc_word *answer, struct error *err)
{
	int64_t pause_ms = RETRANSMIT_MIN_MS;
	char datagram[BMC_DATAGRAM_MAX];
	int bytes = bmc_encode(request, key, datagram, err);

	if (bytes < 0)
		return -1;
	for (int64_t now = now_ms(); now < deadline_ms; now = now_ms()) {
		int64_t again_ms = now + pause_ms < deadline_ms ? now + pause_ms : deadline_ms;

		// A network that is away may come back before the deadline: no error ends it early.
		if (send(fd, datagram, (size_t)bytes, MSG_NOSIGNAL) < 0)
			error_set_errno(
				err, errno, "cannot send to the power switch at %s", request->address);
		while ((now = now_ms()) < again_ms) {
			if (receive(fd, request, key, (int)(again_ms - now), answer) > 0)
				return 0;
		}
		pause_ms = pause_ms * 2 < RETRANSMIT_MAX_MS ? pause_ms * 2 : RETRANSMIT_MAX_MS;
	}
	return -1;
}

int fence_lab_ask(const char *ip, const char *key, enum bmc_word word, unsigned timeout_s,
	enum bmc_word *answer, struct error *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(BMC_PORT) };
	struct bmc_message request = { .word = word };
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, ip, &address.sin_addr) != 1)
		return error_set_errno(err, errno, "cannot make a socket for %s", ip);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, errno, "cannot reach the power switch at %s", ip);
	snprintf(request.address, sizeof(request.address), "%s", ip);
	if (make_nonce(request.nonce, err) < 0)
		return -1;
	if (ask_until(fd, &request, key, now_ms() + (int64_t)timeout_s * 1000, answer, err) < 0)
		return error_set(err, ERROR_TIMEOUT,
			"the power switch at %s has not answered '%s' in %u s: is the mgmt network cut, or "
			"the key wrong?",
			ip, bmc_word_name(word), timeout_s);
	error_clear(err);
	if (*answer == BMC_FAILED)
		return error_set(err, ERROR_FAILED, "the power switch at %s could not do '%s': see labd.log",
			ip, bmc_word_name(word));
	return 0;
}
