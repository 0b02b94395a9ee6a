// SPDX-License-Identifier: GPL-3.0-or-later
// For tests: sends one request, given as JSON of proto/api.proto's Request, to a daemon's Unix socket and prints the last reply as JSON.
//   rpc-call SOCKET TIMEOUT_MS '{"host_group_monitor": {"name": "web"}}'
// Exit status as of the holdfast command.
#include <stdio.h>
#include <stdlib.h>
#include "common/cleanup.h"
#include "common/rpc.h"
#include "proto/json.h"

static int call(const char *path, unsigned timeout_ms, const char *text, struct error *err)
{
	ProtobufCMessage *message = proto_from_json_text(&holdfast__request__descriptor, text, err);
	Holdfast__Reply *reply = NULL;

	if (!message)
		return -1;
	int result = rpc_call_once(path, (Holdfast__Request *)message, timeout_ms, &reply, err);
	protobuf_c_message_free_unpacked(message, NULL);
	if (result < 0)
		return -1;
	cleanup_free char *answer = proto_to_json_text(&reply->base);
	holdfast__reply__free_unpacked(reply, NULL);
	puts(answer ? answer : "");
	return 0;
}

int main(int argc, char **argv)
{
	struct error err = ERROR_INIT;

	if (argc != 4) {
		fprintf(stderr, "usage: rpc-call SOCKET TIMEOUT_MS REQUEST-AS-JSON\n");
		return 2;
	}
	if (call(argv[1], (unsigned)strtoul(argv[2], NULL, 10), argv[3], &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return error_exit_status(err.code);
}
