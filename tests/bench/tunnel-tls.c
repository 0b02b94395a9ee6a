// SPDX-License-Identifier: GPL-3.0-or-later
// The real thing between the tunnels of tunnel-rate: TLS with two nodes' certificates, named b1 (who accepts) and any other.
#include "tests/bench/tunnel-rate.h"

#define HANDSHAKE_MS 10000u

struct side {
	struct tls_session *session;
	struct error err;
	int result;
	bool done;
	struct task_wait ended;
};

static void shake(void *data)
{
	struct side *side = data;

	side->result = tls_session_handshake(side->session, HANDSHAKE_MS, &side->err);
	side->done = true;
	task_wake(&side->ended);
}

int tunnel_rate_sessions(
	int fds[2], char **arguments, int count, struct tls_session *sessions[2], struct error *err)
{
	struct tls_context *contexts[2] = { NULL, NULL };
	struct side other = { 0 };

	if (count != 2)
		return error_set(err, ERROR_USAGE, "two directories with certificates are needed");
	for (size_t i = 0; i < 2; i++) {
		contexts[i] = tls_context_load(arguments[i], err);
		if (!contexts[i])
			return -1;
	}
	sessions[0] = tls_session_connect(contexts[0], fds[0], "b1", err);
	sessions[1] = sessions[0] ? tls_session_accept(contexts[1], fds[1], err) : NULL;
	if (!sessions[1])
		return -1;
	other.session = sessions[1];
	if (!task_start(task_loop(), "shake", shake, &other, err))
		return -1;
	int result = tls_session_handshake(sessions[0], HANDSHAKE_MS, err);
	while (!other.done)
		if (task_wait(&other.ended, HANDSHAKE_MS, "the other handshake", err) < 0)
			return -1;
	if (other.result < 0)
		return error_copy(err, &other.err);
	for (size_t i = 0; i < 2; i++)
		tls_context_free(contexts[i]); // the sessions keep what they need of it
	return result;
}
