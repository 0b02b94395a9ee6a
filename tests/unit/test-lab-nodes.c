// SPDX-License-Identifier: GPL-3.0-or-later
// The power of a lab node with a real process tree in the place of UML: every state and event, and that "gone" means all of its processes.
#include "tests/unit/unit.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "deploy/lab/labd/nodes.h"

#define DEADLINE_MS 20000

struct bench {
	char directory[64];
	struct lab_config config;
	struct loop *loop;
	struct nodes *nodes;
	unsigned starts, ends;
	bool answered, timed_out;
	struct error answer;
};

static void started(unsigned node, int channel, void *data)
{
	struct bench *bench = data;

	assert_true(channel >= 0);
	bench->starts++;
}

static void ended(unsigned node, void *data)
{
	struct bench *bench = data;

	bench->ends++;
}

// The node's "kernel": COMMAND of a shell.
static void set_command(struct bench *bench, const char *command)
{
	static const char *argv[] = { "/bin/sh", "-c", NULL, NULL };

	argv[2] = command;
	bench->config.nodes[0].argv = (char **)argv;
}

// Goes on as two processes in two sessions, as UML's helpers and guests' processes do; each says its pid.
#define TREE "echo $$; setsid sh -c 'echo $$; exec tail -f /dev/null' & exec tail -f /dev/null"

static int set_up(void **state)
{
	static struct bench bench;
	static struct nodes_watcher watcher = { started, ended, &bench };

	memset(&bench, 0, sizeof(bench));
	snprintf(bench.directory, sizeof(bench.directory), "/tmp/holdfast-lab-nodes.XXXXXX");
	assert_non_null(mkdtemp(bench.directory));
	bench.config.count = 1;
	bench.config.nodes[0] = (struct node_config){ .name = (char *)"a1",
		.site = (char *)"a",
		.umid = (char *)"/nonexistent/umid",
		.directory = bench.directory,
		.id = 11 };
	set_command(&bench, TREE);
	bench.loop = loop_new();
	bench.nodes = nodes_new(bench.loop, &bench.config, &watcher);
	*state = &bench;
	return 0;
}

static enum loop_verdict deadline_passed(void *data)
{
	struct bench *bench = data;

	bench->timed_out = true;
	loop_quit(bench->loop);
	return LOOP_CONTINUE;
}

static void run(struct bench *bench)
{
	struct loop_source *deadline = loop_add_timer(bench->loop, DEADLINE_MS, deadline_passed, bench);

	loop_run(bench->loop);
	loop_source_remove(deadline);
	assert_false(bench->timed_out);
}

static void all_ended(void *data)
{
	loop_quit(((struct bench *)data)->loop);
}

static enum loop_verdict end_all(void *data)
{
	struct bench *bench = data;

	nodes_end_all(bench->nodes, all_ended, bench);
	return LOOP_STOP;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	static const char *const files[] = { "console.log", "serial0.log", "serial1.log", "serial2.log",
		"serial3.log" };
	char path[128];

	loop_add_idle(bench->loop, end_all, bench);
	run(bench);
	nodes_free(bench->nodes);
	loop_free(bench->loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", bench->directory, files[i]);
		unlink(path);
	}
	return rmdir(bench->directory);
}

static void answered(const struct error *err, void *data)
{
	struct bench *bench = data;

	bench->answered = true;
	bench->answer = err ? *err : (struct error)ERROR_INIT;
	loop_quit(bench->loop);
}

// Posts and waits for the answer.
static int post(struct bench *bench, enum node_event event)
{
	struct error err = ERROR_INIT;

	bench->answered = false;
	if (nodes_post(bench->nodes, 0, event, answered, bench, &err) < 0)
		return -1;
	run(bench);
	assert_true(bench->answered);
	return bench->answer.code ? -1 : 0;
}

static enum loop_verdict look_again(void *data)
{
	loop_quit(((struct bench *)data)->loop);
	return LOOP_CONTINUE;
}

// The pids of both processes of TREE, as the console has them.
static void read_tree(struct bench *bench, pid_t pids[2])
{
	struct loop_source *ticks = loop_add_timer(bench->loop, 10, look_again, bench);
	char path[128];
	int got = 0;

	snprintf(path, sizeof(path), "%s/console.log", bench->directory);
	while (got != 2) {
		FILE *file;

		run(bench);
		file = fopen(path, "r");
		assert_non_null(file);
		got = fscanf(file, "%d %d", &pids[0], &pids[1]);
		fclose(file);
	}
	loop_source_remove(ticks);
	assert_int_equal(truncate(path, 0), 0);
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0;
}

static char process_state(pid_t pid)
{
	char path[64], text[512], *end;
	FILE *file;
	size_t bytes;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	bytes = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[bytes] = '\0';
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

static void gone_means_every_process(void **state)
{
	static const enum node_event ways[] = { NODE_KILL, FENCE_OFF };
	struct bench *bench = *state;
	pid_t pids[2];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		assert_int_equal(post(bench, NODE_BOOT), 0);
		read_tree(bench, pids);
		assert_false(is_gone(pids[0]) || is_gone(pids[1]));
		assert_int_equal(post(bench, ways[i]), 0);
		assert_true(is_gone(pids[0]) && is_gone(pids[1]));
		assert_int_equal(nodes_pid(bench->nodes, 0), 0);
	}
	assert_int_equal(bench->starts, 2);
	assert_int_equal(bench->ends, 2);
}

static void a_fencing_reboot_is_another_life(void **state)
{
	struct bench *bench = *state;
	pid_t before[2], after[2];

	assert_int_equal(post(bench, NODE_BOOT), 0);
	read_tree(bench, before);
	assert_int_equal(post(bench, NODE_FREEZE), 0);
	while (process_state(before[0]) != 'T')
		assert_int_equal(post(bench, FENCE_ON), 0);
	assert_int_equal(process_state(before[1]), 'S');
	assert_int_equal(post(bench, FENCE_REBOOT), 0);
	assert_true(is_gone(before[0]) && is_gone(before[1]));
	assert_int_equal(nodes_state(bench->nodes, 0), NODE_RUNNING);
	read_tree(bench, after);
	assert_int_not_equal(before[0], after[0]);
}

// Where each event leads from each settled state; -1: refused. BOOT, KILL, FREEZE, THAW, OFF, ON, REBOOT, POWEROFF.
static void each_event_in_each_state(void **state)
{
	static const struct {
		enum node_state from;
		int to[8];
	} rows[] = {
		{ NODE_OFF, { NODE_RUNNING, NODE_DARK, -1, -1, NODE_OFF, NODE_RUNNING, NODE_RUNNING, -1 } },
		{ NODE_DARK, { NODE_RUNNING, NODE_DARK, -1, -1, NODE_DARK, NODE_DARK, NODE_DARK, -1 } },
		{ NODE_RUNNING,
			{ -1, NODE_DARK, NODE_FROZEN, -1, NODE_OFF, NODE_RUNNING, NODE_RUNNING, NODE_OFF } },
		{ NODE_FROZEN, { -1, NODE_DARK, -1, NODE_RUNNING, NODE_OFF, NODE_FROZEN, NODE_RUNNING, -1 } },
	};
	struct bench *bench = *state;

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		for (enum node_event event = NODE_BOOT; event <= GUEST_POWEROFF; event++) {
			int expected = rows[row].to[event], result;

			if (nodes_has_process(bench->nodes, 0))
				assert_int_equal(post(bench, FENCE_OFF), 0);
			if (rows[row].from == NODE_DARK)
				assert_int_equal(post(bench, NODE_KILL), 0);
			else if (nodes_state(bench->nodes, 0) == NODE_DARK || rows[row].from != NODE_OFF)
				assert_int_equal(post(bench, NODE_BOOT), 0);
			if (rows[row].from == NODE_OFF && nodes_has_process(bench->nodes, 0))
				assert_int_equal(post(bench, FENCE_OFF), 0);
			if (rows[row].from == NODE_FROZEN)
				assert_int_equal(post(bench, NODE_FREEZE), 0);
			assert_int_equal(nodes_state(bench->nodes, 0), rows[row].from);
			result = post(bench, event);
			if ((result < 0) != (expected < 0) ||
				(expected >= 0 && (int)nodes_state(bench->nodes, 0) != expected))
				fail_msg("event %u in state %u: result %d, state %u", event, rows[row].from,
					result, nodes_state(bench->nodes, 0));
		}
	}
}

// What is asked while the node is still being killed: the last word counts, and all who asked are answered.
static void power_is_cut_during_a_fencing_reboot(void **state)
{
	struct bench *bench = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(post(bench, NODE_BOOT), 0);
	assert_ok(nodes_post(bench->nodes, 0, FENCE_REBOOT, NULL, NULL, &err), err);
	assert_int_equal(post(bench, NODE_KILL), 0);
	assert_int_equal(nodes_state(bench->nodes, 0), NODE_DARK);
	assert_int_equal(post(bench, NODE_BOOT), 0);
	assert_ok(nodes_post(bench->nodes, 0, NODE_KILL, NULL, NULL, &err), err);
	assert_int_equal(post(bench, FENCE_REBOOT), 0);
	assert_int_equal(nodes_state(bench->nodes, 0), NODE_DARK);
}

static enum loop_verdict until_off(void *data)
{
	struct bench *bench = data;

	if (nodes_state(bench->nodes, 0) == NODE_OFF)
		loop_quit(bench->loop);
	return LOOP_CONTINUE;
}

static void a_node_that_ends_comes_back_until_it_is_hopeless(void **state)
{
	struct bench *bench = *state;
	struct loop_source *ticks;

	set_command(bench, "exit 0");
	assert_int_equal(post(bench, NODE_BOOT), 0);
	ticks = loop_add_timer(bench->loop, 10, until_off, bench);
	run(bench);
	loop_source_remove(ticks);
	assert_int_equal(bench->starts, 6);
	assert_int_equal(bench->ends, 6);
}

#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	NODES_TEST(gone_means_every_process),
	NODES_TEST(a_fencing_reboot_is_another_life),
	NODES_TEST(each_event_in_each_state),
	NODES_TEST(power_is_cut_during_a_fencing_reboot),
	NODES_TEST(a_node_that_ends_comes_back_until_it_is_hopeless),
};

UNIT_MAIN(tests)
