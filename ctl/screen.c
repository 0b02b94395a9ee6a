// SPDX-License-Identifier: GPL-3.0-or-later
// See screen.h. A picture is collected first and written in one step, so that a file is whole or as it was.
#include "ctl/screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"

#define MOST_BYTES ((size_t)64 << 20)
#define CALL_MS 60000

struct collected {
	uint8_t *bytes;
	size_t count;
	bool failed;
};

static void collect(const Holdfast__Reply *reply, void *data)
{
	struct collected *collected = data;

	if (reply->body_case != HOLDFAST__REPLY__BODY_DATA || collected->failed)
		return;
	size_t count = collected->count + reply->data.len;
	uint8_t *more = count <= MOST_BYTES ? realloc(collected->bytes, count + 1) : NULL;
	collected->failed = !more;
	if (!more)
		return;
	memcpy(more + collected->count, reply->data.data, reply->data.len);
	collected->bytes = more;
	collected->count = count;
}

static int call(struct session *session, Holdfast__Request *request, struct collected *collected, struct error *err)
{
	Holdfast__Reply *reply = NULL;

	if (session_call(session, request, CALL_MS, collect, collected, &reply, err) < 0)
		return -1;
	holdfast__reply__free_unpacked(reply, NULL);
	return collected->failed ? error_set(err, ERROR_NO_SPACE, "no memory for the answer") : 0;
}

static int write_out(const struct collected *collected, struct error *err)
{
	if (fwrite(collected->bytes, 1, collected->count, stdout) == collected->count && !fflush(stdout))
		return 0;
	return error_set_errno(err, errno, "cannot write to stdout");
}

// A path from where the command runs; files are written by absolute ones.
static int write_file(const char *file, const struct collected *collected, struct error *err)
{
	char here[2048] = "", path[4096];

	if (file[0] != '/' && !getcwd(here, sizeof(here)))
		return error_set_errno(err, errno, "the working directory is not known");
	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", here, here[0] ? "/" : "", file) >= sizeof(path))
		return error_set(err, ERROR_USAGE, "the path %.60s... is too long", file);
	return file_write_atomic(path, collected->bytes, collected->count, 0644, err);
}

int screen_save(struct session *session, char *vm, const char *file, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Name name = HOLDFAST__NAME__INIT;
	struct collected collected = { NULL, 0, false };

	name.name = vm;
	request.body_case = HOLDFAST__REQUEST__BODY_VM_SCREENSHOT;
	request.vm_screenshot = &name;
	int result = call(session, &request, &collected, err);
	cleanup_free uint8_t *owned = collected.bytes;
	if (result < 0)
		return -1;
	if (!strcmp(file, "-"))
		return write_out(&collected, err);
	if (write_file(file, &collected, err) < 0)
		return -1;
	if (session->args->json)
		return print_json_name(&session->printer, vm, err);
	print_line(&session->printer, "the screen of VM %s is in %s", vm, file);
	return owned ? 0 : -1;
}

int console_tail(struct session *session, char *vm, uint32_t lines, struct error *err)
{
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__ConsoleTail tail = HOLDFAST__CONSOLE_TAIL__INIT;
	struct collected collected = { NULL, 0, false };

	tail.name = vm;
	tail.lines = lines;
	request.body_case = HOLDFAST__REQUEST__BODY_CONSOLE_TAIL;
	request.console_tail = &tail;
	int result = call(session, &request, &collected, err);
	cleanup_free uint8_t *owned = collected.bytes;
	return result < 0 || !owned ? result : write_out(&collected, err);
}
