// SPDX-License-Identifier: GPL-3.0-or-later
// A daemon for the tests of the holdfast command: it writes down each request and gives the answers of a file. A fake, because the real
// ones cannot be made to give every answer on demand.
//   answers SOCKET ANSWERS LOG [PKI PORT]    PKI: a directory in which it makes a CA and a node's certificate, to listen with on 127.0.0.1.
//   ANSWERS: {"REQUEST": [REPLY, ...], ...} with the field names of proto/api.proto. The request "vm_console" is
//   echoed until "." comes; an empty list of replies waits until the client has gone.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/rpc.h"
#include "proto/json.h"

struct answers {
	struct loop *loop;
	json_t *replies;
	FILE *log;
};

static const char *body_name(const Holdfast__Request *request)
{
	return protobuf_c_message_descriptor_get_field(
		&holdfast__request__descriptor, (unsigned)request->body_case)
		->name;
}

static void note(struct answers *answers, const char *text)
{
	fprintf(answers->log, "%s\n", text);
	fflush(answers->log);
}

static void on_gone(void *task)
{
	task_cancel(task);
}

static int wait_until_gone(struct answers *answers, struct rpc_call *call, struct error *err)
{
	struct task_wait never = { 0 };

	rpc_call_on_gone(call, on_gone, task_self());
	int result = task_wait(&never, 60000, "the client to go", err);
	note(answers, "gone");
	return result;
}

static int echo(struct answers *answers, struct rpc_call *call, struct error *err)
{
	uint8_t *bytes;
	size_t count;
	int got;

	rpc_call_send_data(call, "hello\r\n", 7);
	while ((got = rpc_call_receive_data(call, 20000, &bytes, &count, err)) == 1) {
		bool end = memchr(bytes, '.', count);

		rpc_call_send_data(call, bytes, count);
		free(bytes);
		if (end)
			return 0;
	}
	note(answers, "gone");
	return got;
}

// One reply of the file: sent at once, or into *last.
static int give(struct rpc_call *call, const json_t *json, Holdfast__Reply *last, struct error *err)
{
	Holdfast__Reply *reply = (void *)proto_from_json(&holdfast__reply__descriptor, json, err);

	if (!reply)
		return -1;
	if (reply->body_case == HOLDFAST__REPLY__BODY_PROGRESS) {
		rpc_call_progress(call, reply->progress->percent, "%s", reply->progress->text);
	} else if (reply->body_case == HOLDFAST__REPLY__BODY_EVENT) {
		rpc_call_event(call, reply->event);
	} else if (reply->body_case == HOLDFAST__REPLY__BODY_ERROR) {
		error_set(err, (enum error_code)reply->error->code, "%s", reply->error->message);
		holdfast__reply__free_unpacked(reply, NULL);
		return -1;
	} else {
		uint64_t id = last->id;
		*last = *reply; // and all that it owns
		last->id = id;
		free(reply);
		return 0;
	}
	holdfast__reply__free_unpacked(reply, NULL);
	return 0;
}

static int serve(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply, void *data,
	struct error *err)
{
	struct answers *answers = data;
	const json_t *list = json_object_get(answers->replies, body_name(request)), *one;
	cleanup_free char *text = proto_to_json_text(&request->base);
	size_t i;

	note(answers, text);
	if (request->body_case == HOLDFAST__REQUEST__BODY_VM_CONSOLE)
		return echo(answers, call, err);
	if (json_array_size(list) == 0)
		return wait_until_gone(answers, call, err);
	json_array_foreach ((json_t *)list, i, one)
		if (give(call, one, reply, err) < 0)
			return -1;
	return 0;
}

static void on_signal(int signum, void *data)
{
	loop_quit(data);
}

static int listen_tls(struct rpc_server *server, const char *pki, const char *port, struct tls_context **tls,
	struct error *err)
{
	if (tls_ca_create(pki, "plant", err) < 0 || tls_node_issue(pki, "a1", err) < 0)
		return -1;
	*tls = tls_context_load(pki, err);
	return *tls ? rpc_server_listen_tls(server, "127.0.0.1", (unsigned)atoi(port), *tls, err) : -1;
}

// ARGV: as main's, from SOCKET on.
static int run(struct answers *answers, char *argv[])
{
	static struct rpc_handler handlers[128];
	struct error err = ERROR_INIT;
	struct tls_context *tls = NULL;
	size_t count = 0;

	for (unsigned i = 0; i < holdfast__request__descriptor.n_fields && count < 127; i++) {
		const ProtobufCFieldDescriptor *field = &holdfast__request__descriptor.fields[i];
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			handlers[count++] = (struct rpc_handler){ (Holdfast__Request__BodyCase)field->id,
				1u << RPC_CALLER_LOCAL | 1u << RPC_CALLER_NODE, serve };
	}
	struct rpc_server *server = rpc_server_new(answers->loop, handlers, answers);
	if (!server || rpc_server_listen_unix(server, argv[0], NULL, &err) < 0 ||
		(argv[3] && listen_tls(server, argv[3], argv[4], &tls, &err) < 0)) {
		fprintf(stderr, "answers: %s\n", err.message);
		return 1;
	}
	note(answers, "ready");
	loop_run(answers->loop);
	rpc_server_free(server);
	task_end_all(answers->loop, 2000);
	tls_context_free(tls);
	return 0;
}

int main(int argc, char *argv[])
{
	json_error_t why;

	if (argc != 4 && argc != 6)
		return 2;
	struct answers answers = { loop_new(), json_load_file(argv[2], 0, &why), fopen(argv[3], "we") };
	if (!answers.replies || !answers.log) {
		fprintf(stderr, "answers: %s\n", answers.log ? why.text : argv[3]);
		return 2;
	}
	loop_add_signal(answers.loop, SIGTERM, on_signal, answers.loop);
	int status = run(&answers, argv + 1);
	loop_free(answers.loop);
	json_decref(answers.replies);
	fclose(answers.log);
	return status;
}
