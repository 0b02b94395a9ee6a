// SPDX-License-Identifier: GPL-3.0-or-later
// A server with a few handlers on a Unix socket, and a test that runs as a task beside it: for the tests of rpc.
#ifndef TESTS_UNIT_RPC_FIXTURE_H
#define TESTS_UNIT_RPC_FIXTURE_H

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdint.h>
#include "common/loop.h"
#include "common/rpc-tunnel.h"
#include "common/rpc.h"
#include "common/task.h"

struct fixture {
	struct loop *loop;
	struct rpc_server *server;
	char directory[64];
	char socket[96];
	unsigned running, most_running;		// handlers of host_status
	struct task_wait gone;			// a handler saw its client go
	bool gone_called;
	struct task_wait hijacked;
	int hijacked_fd;
	bool packed;				// the tunnel: the server takes frames apart, the client does as follows
	enum rpc_tunnel_pack client_pack;
	struct rpc_tunnel_meter *meter;
	unsigned events_sent;			// by the flood
	char caller[128];			// of the last ping: kind and name
	int line;				// of the check that failed
	const char *what;
	char detail[600];
};

// cmocka's assertions jump out of the test function, which must not happen from a task's stack: note it and return.
#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			((struct fixture *)data)->line = __LINE__;                                           \
			((struct fixture *)data)->what = #condition;                                         \
			return;                                                                              \
		}                                                                                            \
	} while (0)

#define CHECK_OK(call, err)                                                                                  \
	do {                                                                                                 \
		if ((call) < 0) {                                                                            \
			snprintf(((struct fixture *)data)->detail, 600, "%s", (err).message);                \
			CHECK(!#call);                                                                       \
		}                                                                                            \
	} while (0)

#define CHECK_FAILS(call, err, expected, words)                                                              \
	do {                                                                                                 \
		error_clear(&(err));                                                                         \
		int result_ = (call);                                                                        \
		snprintf(((struct fixture *)data)->detail, 600, "%d: %s: %s", result_,                       \
			 error_code_name((err).code), (err).message);                                        \
		CHECK(result_ < 0);                                                                          \
		CHECK((err).code == (expected));                                                             \
		CHECK(strstr((err).message, (words)));                                                       \
		((struct fixture *)data)->detail[0] = '\0';                                                  \
	} while (0)

void fixture_run(task_fn *test);
extern const struct rpc_handler fixture_handlers[];

#define RPC_TEST(name)                                                                                       \
	static void name(void **state)                                                                       \
	{                                                                                                    \
		fixture_run(name##_task);                                                                    \
	}

#endif
