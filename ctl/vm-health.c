// SPDX-License-Identifier: GPL-3.0-or-later
// Health settings as they are typed, and what was kept of guests in trouble: listed, or written into a directory.
#include "ctl/vm-health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "ctl/nouns.h"

bool vm_health_given(const struct args *args)
{
	static const char *const names[] = { "heartbeat", "watchdog", "on-hang", "on-panic" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (args_count(args, names[i]))
			return true;
	return false;
}

void vm_health_fill(const struct args *args, Holdfast__Health *health, Holdfast__Vm *vm)
{
	if (!args_count(args, "heartbeat") && !args_count(args, "watchdog") && !args_count(args, "on-hang") &&
		!args_count(args, "on-panic"))
		return;
	if (vm->health)
		*health = *vm->health;
	else
		holdfast__health__init(health);
	health->heartbeat_s = (uint32_t)args_number(args, "heartbeat", health->heartbeat_s);
	health->watchdog = args_number(args, "watchdog", health->watchdog) != 0;
	health->on_hang = (Holdfast__HealthAction)args_number(args, "on-hang", health->on_hang);
	health->on_panic = (Holdfast__HealthAction)args_number(args, "on-panic", health->on_panic);
	vm->health = health;
}

// ---- evidence

const struct arg vm_evidence_operands[] = {
	OPERAND_VM,
	{ .name = "DIRECTORY", .kind = ARG_TEXT, .what = "directory", .flags = ARG_OPTIONAL },
	ARGS_END,
};

static void show_evidence(const struct printer *printer, const ProtobufCMessage *message)
{
	static const struct table_column columns[] = { { "EVIDENCE", 0 }, { "TIME", 0 }, { "NODE", 0 },
		{ "THE GUEST", 0 }, { "FILES", TABLE_WRAP }, { NULL, 0 } };
	const Holdfast__EvidenceList *list = (const void *)message;
	struct table *table = table_new(printer, columns);
	for (size_t i = 0; i < list->n_evidence; i++) {
		const Holdfast__Evidence *evidence = list->evidence[i];
		struct table_line *line = table_add(table, NULL);
		char *names[16];
		size_t count = 0;
		for (size_t k = 0; k < evidence->n_files && k < 16; k++)
			names[count++] = evidence->files[k]->name;
		cleanup_free char *files = print_join(names, count, "-");
		table_set(line, 0, "%s", evidence->name);
		table_set(line, 1, "%s", evidence->time);
		table_set(line, 2, "%s", evidence->node);
		table_set(line, 3, "%s", evidence->reason);
		table_set(line, 4, "%s", files ? files : "");
	}
	table_print(table);
}

static int ask(struct session *session, char *vm, char *entry, Holdfast__Reply **reply, struct error *err)
{
	Holdfast__EvidenceFetch fetch = HOLDFAST__EVIDENCE_FETCH__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	fetch.name = vm;
	fetch.entry = entry;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_EVIDENCE;
	request.vm_evidence = &fetch;
	if (session_connect(session, err) < 0 ||
		session_call(session, &request, SESSION_QUERY_MS, NULL, NULL, reply, err) < 0)
		return -1;
	if ((*reply)->body_case == HOLDFAST__REPLY__BODY_EVIDENCE)
		return 0;
	return error_set(err, ERROR_PROTOCOL, "the daemon answered something else");
}

// Its names are another machine's: none may lead out of the directory.
static bool plain(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) < 128;
}

static int write_one(const Holdfast__Evidence *evidence, const char *directory, struct error *err)
{
	char path[4096];
	if (!plain(evidence->name))
		return error_set(err, ERROR_PROTOCOL, "the daemon gave evidence a name that is none");
	snprintf(path, sizeof(path), "%s/%s", directory, evidence->name);
	if (file_make_directory(path, 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < evidence->n_files; i++) {
		const Holdfast__EvidenceFile *file = evidence->files[i];
		if (!plain(file->name))
			return error_set(err, ERROR_PROTOCOL, "the daemon gave a file a name that is none");
		int length = snprintf(path, sizeof(path), "%s/%s/%s", directory, evidence->name, file->name);
		if (length < 0 || (size_t)length >= sizeof(path))
			return error_set(err, ERROR_USAGE, "the path of %s is too long", directory);
		if (file_write_atomic(path, file->content.data, file->content.len, 0644, err) < 0)
			return -1;
	}
	return 0;
}

static int fetch_all(struct session *session, char *vm, const char *directory,
	const Holdfast__EvidenceList *list, struct error *err)
{
	for (size_t i = 0; i < list->n_evidence; i++) {
		Holdfast__Reply *reply = NULL;
		int result = ask(session, vm, list->evidence[i]->name, &reply, err);
		for (size_t k = 0; result == 0 && k < reply->evidence->n_evidence; k++)
			result = write_one(reply->evidence->evidence[k], directory, err);
		if (reply)
			holdfast__reply__free_unpacked(reply, NULL);
		if (result < 0)
			return -1;
	}
	return 0;
}

int vm_evidence(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__EvidenceFetch fetch = HOLDFAST__EVIDENCE_FETCH__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	const char *directory = args_text(args, "DIRECTORY");
	Holdfast__Reply *reply = NULL;

	if (directory[0]) {
		int result = ask(session, args_text(args, "VM"), (char *)"", &reply, err);
		if (result == 0)
			result = fetch_all(session, args_text(args, "VM"), directory, reply->evidence, err);
		if (reply)
			holdfast__reply__free_unpacked(reply, NULL);
		if (result < 0)
			return -1;
	}
	fetch.name = args_text(args, "VM");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_EVIDENCE;
	request.vm_evidence = &fetch;
	return session_query(session, &request, HOLDFAST__REPLY__BODY_EVIDENCE, show_evidence, err);
}
