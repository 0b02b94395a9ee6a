// SPDX-License-Identifier: GPL-3.0-or-later
// For tests in a lab's node: one storage verb on one group, as hypervisord would call it, and the answer in words or JSON.
//   [POOL=VG] storage-tool GROUP.json NODE VERB [ARGUMENT]
// Exit status as of the command line: 0, 1, 2, 3 (no such thing), 4 (refused because unsafe). `watch` stays and prints events until
// its input ends.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/json.h"
#include "storage/storage.h"

struct tool {
	struct loop *loop;
	struct storage *storage;
	Holdfast__Group *group;
	const char *node, *verb, *argument;
	struct error err;
	int result;
};

static void on_event(const char *group, const char *text, void *data)
{
	printf("event %s: %s\n", group, text);
	fflush(stdout);
}

static int print_status(struct tool *tool)
{
	Holdfast__VolumeStatus **volumes;
	size_t count;

	if (storage_status(tool->storage, tool->group->name, &volumes, &count, &tool->err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *text = proto_to_json_text(&volumes[i]->base);
		puts(text);
		holdfast__volume_status__free_unpacked(volumes[i], NULL);
	}
	free(volumes);
	return 0;
}

static int print_problems(struct tool *tool)
{
	char **problems;
	size_t count;

	if (storage_problems(tool->storage, tool->group->name, &problems, &count, &tool->err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		puts(problems[i]);
		free(problems[i]);
	}
	free(problems);
	return 0;
}

static int print_pool(struct tool *tool)
{
	uint64_t size, room;

	if (storage_pool(tool->storage, &size, &room, &tool->err) < 0)
		return -1;
	printf("%llu %llu\n", (unsigned long long)size, (unsigned long long)room);
	return 0;
}

static int mount_state(struct tool *tool)
{
	cleanup_free char *path = NULL;

	if (storage_mount_state(tool->storage, tool->group, &path, &tool->err) < 0)
		return -1;
	puts(path);
	return 0;
}

static int open_volume(struct tool *tool)
{
	uint64_t bytes;
	cleanup_fd int fd = -1;

	if (storage_open_volume(tool->storage, tool->group, (uint32_t)atoi(tool->argument ?: "0"), &fd,
		    &bytes, &tool->err) < 0)
		return -1;
	printf("%llu\n", (unsigned long long)bytes);
	return 0;
}

// ARGUMENT: "force", or the node that the CIB names as current.
static int promote(struct tool *tool, bool really)
{
	bool force = tool->argument && strcmp(tool->argument, "force") == 0;
	struct storage_promote params = {
		.node = tool->node, .current = force ? NULL : tool->argument, .force_old_data = force
	};
	double began = loop_now_ms();

	int result = really ? storage_promote(tool->storage, tool->group, &params, &tool->err)
			    : storage_may_promote(tool->storage, tool->group, &params, &tool->err);
	printf("%.1f ms\n", loop_now_ms() - began);
	return result;
}

static int timed_demote(struct tool *tool)
{
	double began = loop_now_ms();
	int result = storage_demote(tool->storage, tool->group, &tool->err);

	printf("%.1f ms\n", loop_now_ms() - began);
	return result;
}

static int run_verb(struct tool *tool)
{
	const char *verb = tool->verb;

	if (strcmp(verb, "bring-up") == 0)
		return storage_bring_up(tool->storage, &tool->err);
	if (strcmp(verb, "apply") == 0)
		return storage_apply(tool->storage, tool->group, tool->node, &tool->err);
	if (strcmp(verb, "declare") == 0)
		return storage_declare_in_sync(
			tool->storage, tool->group, (uint32_t)atoi(tool->argument ?: "0"), &tool->err);
	if (strcmp(verb, "promote") == 0 || strcmp(verb, "may-promote") == 0)
		return promote(tool, verb[0] == 'p');
	if (strcmp(verb, "demote") == 0)
		return timed_demote(tool);
	if (strcmp(verb, "demote-blocking") == 0)
		return storage_demote_blocking(tool->group, &tool->err);
	if (strcmp(verb, "destroy") == 0)
		return storage_destroy(tool->storage, tool->group->name, &tool->err);
	if (strcmp(verb, "mount") == 0)
		return mount_state(tool);
	if (strcmp(verb, "unmount") == 0)
		return storage_unmount_state(tool->storage, tool->group, &tool->err);
	if (strcmp(verb, "open") == 0)
		return open_volume(tool);
	if (strcmp(verb, "status") == 0)
		return print_status(tool);
	if (strcmp(verb, "problems") == 0)
		return print_problems(tool);
	if (strcmp(verb, "pool") == 0)
		return print_pool(tool);
	if (strcmp(verb, "watch") == 0)
		return storage_bring_up(tool->storage, &tool->err) < 0
			? -1
			: task_wait_fd(STDIN_FILENO, POLLIN | POLLHUP, 3600 * 1000, "the end of the input",
				  &tool->err);
	return error_set(&tool->err, ERROR_USAGE, "storage-tool: no verb %s", verb);
}

static void body(void *data)
{
	struct tool *tool = data;
	struct config config = { .node = (char *)tool->node,
		.directory = (char *)"/var/lib/holdfast/volumes" };

	config.pool = getenv("POOL") ?: (char *)"holdfast";
	tool->storage = storage_open(tool->loop, &config, on_event, tool, &tool->err);
	tool->result = tool->storage ? run_verb(tool) : -1;
	storage_close(tool->storage);
	loop_quit(tool->loop);
}

int main(int argc, char **argv)
{
	struct tool tool = { .err = ERROR_INIT };
	cleanup_free char *text = NULL;

	if (argc < 4) {
		fprintf(stderr, "usage: [POOL=...] storage-tool GROUP.json NODE VERB [ARGUMENT]\n");
		return 2;
	}
	log_open(&(struct log_options){ .program = "storage-tool" });
	tool.node = argv[2];
	tool.verb = argv[3];
	tool.argument = argv[4];
	if (file_read(argv[1], 1 << 20, &text, NULL, &tool.err) < 0 ||
		!(tool.group = (Holdfast__Group *)proto_from_json_text(
			  &holdfast__group__descriptor, text, &tool.err))) {
		fprintf(stderr, "storage-tool: %s\n", tool.err.message);
		return 2;
	}
	tool.loop = loop_new();
	if (!task_start(tool.loop, "verb", body, &tool, &tool.err))
		return 1;
	loop_run(tool.loop);
	loop_free(tool.loop);
	holdfast__group__free_unpacked(tool.group, NULL);
	if (tool.result < 0)
		fprintf(stderr, "storage-tool: %s\n", tool.err.message);
	log_close();
	return tool.result < 0 ? error_exit_status(tool.err.code) : 0;
}
