// SPDX-License-Identifier: GPL-3.0-or-later
// The resource agent as a program: with a hypervisord that answers, hangs, comes late or is not there; guests are real processes with
// records in a run directory, one of them a real QEMU.
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clusterd/agent/agent.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/spawn.h"
#include "hypervisor/rundir-private.h"
#include "tests/unit/cib-fixture.h"

#define AGENT_TIMEOUT_MS 60000

struct scene {
	struct fixture *cib;
	char socket[128];
	struct rundir run;
	char root[96];
	char agent[256];
	pid_t children[8];
	size_t child_count;
	char *said; // by the agent, on stderr
};

static void *fixture_of(struct scene *scene)
{
	return scene->cib;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	const char *build = getenv("abs_top_builddir");

	*state = scene;
	if (fixture_setup((void **)&scene->cib))
		return -1;
	snprintf(scene->root, sizeof(scene->root), "%s/run", scene->cib->directory);
	scene->run.root = scene->root;
	snprintf(scene->socket, sizeof(scene->socket), "%s/h.sock", scene->cib->directory);
	snprintf(scene->agent, sizeof(scene->agent), "%s/clusterd/agent/group", build ? build : ".");
	setenv("OCF_RESOURCE_INSTANCE", "sales", 1);
	setenv("OCF_RESKEY_socket", scene->socket, 1);
	setenv("OCF_RESKEY_run_directory", scene->root, 1);
	setenv("OCF_RESKEY_CRM_meta_on_node", "a1", 1);
	setenv("OCF_RESKEY_CRM_meta_timeout", "20000", 1);
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	const char *argv[] = { "rm", "-rf", scene->cib->directory, NULL };

	for (size_t i = 0; i < scene->child_count; i++) {
		kill(scene->children[i], SIGKILL);
		waitpid(scene->children[i], NULL, 0);
	}
	int result = spawn_run_blocking(argv, 10000, NULL, NULL);
	free(scene->cib);
	free(scene->said);
	free(scene);
	return result;
}

static int run_agent(struct scene *scene, const char *action)
{
	const char *argv[] = { scene->agent, action, NULL };
	struct spawn_output output;
	struct error err = ERROR_INIT;

	int status = spawn_run_blocking(argv, AGENT_TIMEOUT_MS, &output, &err);
	if (status < 0 && (!WIFEXITED(output.status) || !WEXITSTATUS(output.status)))
		fail_msg("%s: %s", action, err.message);
	free(scene->said);
	scene->said = steal_ptr(output.err);
	status = WEXITSTATUS(output.status);
	spawn_output_done(&output);
	return status;
}

// ---- guests

static pid_t spawn_child(struct scene *scene, const char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	scene->children[scene->child_count++] = pid;
	return pid;
}

static void record(struct scene *scene, const char *vm, const char *group, const char *phase, pid_t pid,
	int64_t start_offset)
{
	struct rundir_guest guest = { .pid = pid };
	struct error err = ERROR_INIT;

	snprintf(guest.vm, sizeof(guest.vm), "%s", vm);
	snprintf(guest.group, sizeof(guest.group), "%s", group);
	snprintf(guest.phase, sizeof(guest.phase), "%s", phase);
	assert_ok(rundir_start_time(pid, &guest.start_time, &err), err);
	guest.start_time += (uint64_t)start_offset;
	assert_ok(rundir_guest_set(&scene->run, &guest, &err), err);
}

static pid_t sleeper(
	struct scene *scene, const char *vm, const char *group, const char *phase, int64_t start_offset)
{
	pid_t pid = spawn_child(scene, (const char *const[]){ "sleep", "1000", NULL });

	record(scene, vm, group, phase, pid, start_offset);
	return pid;
}

static bool lives(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static void want(struct scene *scene, enum wanted wanted, const char *const vms[])
{
	Holdfast__GroupSpec *spec = fixture_spec("sales", vms);
	struct error err = ERROR_INIT;

	spec->group->storage = HOLDFAST__STORAGE_KIND__STORAGE_FILE;
	spec->group->directory = strdup(scene->cib->directory);
	assert_ok(rundir_spec_set(&scene->run, spec, &err), err);
	assert_ok(rundir_wanted_set(&scene->run, "sales", wanted, 1, &err), err);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static enum wanted wanted_of(struct scene *scene)
{
	struct error err = ERROR_INIT;
	enum wanted wanted;
	uint64_t generation;

	assert_ok(rundir_wanted_get(&scene->run, "sales", &wanted, &generation, &err), err);
	return wanted;
}

// ---- hypervisord, as far as the agent sees it: a server in a process of its own

static int serve_done(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	reply->done = malloc(sizeof(*reply->done));
	holdfast__empty__init(reply->done);
	reply->body_case = HOLDFAST__REPLY__BODY_DONE;
	return 0;
}

static int serve_start(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	const Holdfast__HostGroupStart *start = request->host_group_start;

	if (strcmp(start->node, "a1") || strcmp(start->spec->group->name, "sales") ||
		start->spec->n_vms != 1 || !start->generation)
		return error_set(err, ERROR_FAILED, "not what the CIB says");
	if (start->current[0] && strcmp(start->current, "a1"))
		return error_set(err, ERROR_UNSAFE, "waits for %s, which has newer data", start->current);
	return serve_done(call, request, reply, data, err);
}

static int serve_monitor(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return error_set(err, ERROR_FAILED, "VM db used up its restarts");
}

static int serve_confirm(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	return error_set(err, ERROR_NOT_FOUND, "no such group here");
}

static int serve_commit(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	const Holdfast__MoveCommit *commit = request->move_commit;

	if (strcmp(commit->target, "b1") || strcmp(commit->address, "192.0.2.2") || !commit->spec ||
		commit->timeout_ms > 15000)
		return error_set(err, ERROR_FAILED, "not what the CIB says");
	return serve_done(call, request, reply, data, err);
}

// Of a move that comes to no end.
static int serve_open_state(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	reply->move_state = malloc(sizeof(*reply->move_state));
	holdfast__move_state__init(reply->move_state);
	reply->move_state->side = strdup("source");
	reply->body_case = HOLDFAST__REPLY__BODY_MOVE_STATE;
	return 0;
}

static int serve_no_commit(struct rpc_call *call, const Holdfast__Request *request, Holdfast__Reply *reply,
	void *data, struct error *err)
{
	if (strcmp(request->move_commit->address, "192.0.2.3") == 0)
		return error_set(err, ERROR_UNREACHABLE, "node b1 does not say whether it runs the group");
	return task_pause(600000, err);
}

#define LOCAL (1u << RPC_CALLER_LOCAL)

static const struct rpc_handler endless_handlers[] = {
	{ HOLDFAST__REQUEST__BODY_PING, LOCAL, serve_done },
	{ HOLDFAST__REQUEST__BODY_MOVE_COMMIT, LOCAL, serve_no_commit },
	{ HOLDFAST__REQUEST__BODY_MOVE_STATE, LOCAL, serve_open_state },
	{ 0 },
};

static const struct rpc_handler handlers[] = {
	{ HOLDFAST__REQUEST__BODY_PING, LOCAL, serve_done },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_START, LOCAL, serve_start },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_STOP, LOCAL, serve_done },
	{ HOLDFAST__REQUEST__BODY_HOST_GROUP_MONITOR, LOCAL, serve_monitor },
	{ HOLDFAST__REQUEST__BODY_MOVE_COMMIT, LOCAL, serve_commit },
	{ HOLDFAST__REQUEST__BODY_MOVE_CONFIRM, LOCAL, serve_confirm },
	{ 0 },
};

static void be_hypervisord(struct scene *scene, const struct rpc_handler *serves, unsigned late_ms, int ready)
{
	struct loop *loop = loop_new();
	struct rpc_server *server = rpc_server_new(loop, serves, NULL);
	struct error err = ERROR_INIT;

	if (late_ms) {
		if (write(ready, "", 1) < 0)
			_exit(1);
		poll(NULL, 0, (int)late_ms);
	}
	if (rpc_server_listen_unix(server, scene->socket, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		_exit(1);
	}
	if (!late_ms && write(ready, "", 1) < 0)
		_exit(1);
	loop_run(loop);
	_exit(0);
}

// Listens and never answers, with the group's lock held.
static void hang(struct scene *scene, int ready)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), lock = -1;

	memcpy(address.sun_path, scene->socket, strlen(scene->socket));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ||
		rundir_group_lock(&scene->run, "sales", 1000, &lock, NULL) < 0 || write(ready, "", 1) < 0)
		_exit(1);
	for (;;)
		pause();
}

enum hypervisord { ANSWERS, COMES_LATE, HANGS, MOVES_WITHOUT_END };

static pid_t start_hypervisord(struct scene *scene, enum hypervisord kind)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (kind == HANGS)
			hang(scene, ready[1]);
		be_hypervisord(scene, kind == MOVES_WITHOUT_END ? endless_handlers : handlers,
			kind == COMES_LATE ? 1500 : 0, ready[1]);
	}
	scene->children[scene->child_count++] = pid;
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void define(struct scene *scene, const char *current)
{
	struct cib *cib = fixture_open(fixture_of(scene));
	Holdfast__Node node = HOLDFAST__NODE__INIT;
	struct error err = ERROR_INIT;

	fixture_create(cib, "sales", (const char *const[]){ "db", NULL });
	node.name = (char *)"b1";
	node.address = (char *)"192.0.2.2";
	assert_ok(cib_set_node(cib, &node, &err), err);
	if (current)
		assert_ok(cib_set_current(cib, "sales", current, &err), err);
	cib_close(cib);
}

// ---- metadata

static void metadata_is_valid(void **state)
{
	static const char *const schemas[][2] = {
		{ "--relaxng", "/usr/share/resource-agents/metadata.rng" },
		{ "--dtdvalid", "/usr/share/resource-agents/ra-api-1.dtd" },
	};
	struct scene *scene = *state;
	const char *argv[] = { scene->agent, "meta-data", NULL };
	char path[128];
	struct spawn_output output;
	struct error err = ERROR_INIT;

	assert_ok(spawn_run_blocking(argv, AGENT_TIMEOUT_MS, &output, &err), err);
	assert_non_null(strstr(output.out, "<version>1.1</version>"));
	snprintf(path, sizeof(path), "%s/metadata.xml", scene->cib->directory);
	assert_ok(file_write_atomic(path, output.out, output.out_bytes, 0600, &err), err);
	spawn_output_done(&output);
	for (size_t i = 0; i < 2; i++) {
		const char *lint[] = { "xmllint", "--noout", schemas[i][0], schemas[i][1], path, NULL };
		assert_ok(spawn_run_blocking(lint, AGENT_TIMEOUT_MS, NULL, &err), err);
	}
}

static void bad_calls_have_their_codes(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run_agent(scene, "promote"), OCF_ERR_UNIMPLEMENTED);
	setenv("OCF_RESOURCE_INSTANCE", "../etc", 1);
	assert_int_equal(run_agent(scene, "monitor"), OCF_ERR_CONFIGURED);
	assert_non_null(strstr(scene->said, "ocf-exit-reason:"));
	setenv("OCF_RESOURCE_INSTANCE", "nosuch", 1);
	assert_int_equal(run_agent(scene, "validate-all"), OCF_ERR_CONFIGURED);
	define(scene, NULL);
	setenv("OCF_RESOURCE_INSTANCE", "sales", 1);
	assert_int_equal(run_agent(scene, "validate-all"), OCF_SUCCESS);
}

// ---- without hypervisord

static void probe_of_a_bare_node_finds_nothing(void **state)
{
	assert_int_equal(run_agent(*state, "monitor"), OCF_NOT_RUNNING);
	assert_int_equal(run_agent(*state, "stop"), OCF_SUCCESS);
}

static void processes_decide_when_it_is_dead(void **state)
{
	static const struct {
		const char *phase;
		int64_t start_offset;
		int expected;
	} cases[] = {
		{ "running", 0, OCF_SUCCESS },
		{ "spawned", 0, OCF_SUCCESS },
		{ "running", 1, OCF_NOT_RUNNING },
		{ "leaving", 0, OCF_NOT_RUNNING },
		{ "incoming", 0, OCF_NOT_RUNNING },
	};
	struct scene *scene = *state;

	want(scene, WANTED_STARTED, (const char *const[]){ "db", NULL });
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sleeper(scene, "db", "sales", cases[i].phase, cases[i].start_offset);
		if (run_agent(scene, "monitor") != cases[i].expected)
			fail_msg("case %zu: %s", i, scene->said);
	}
}

static void group_whose_vms_are_all_off_is_healthy(void **state)
{
	struct scene *scene = *state;

	want(scene, WANTED_STARTED, (const char *const[]){ NULL });
	assert_int_equal(run_agent(scene, "monitor"), OCF_SUCCESS);
	want(scene, WANTED_STOPPED, (const char *const[]){ NULL });
	assert_int_equal(run_agent(scene, "monitor"), OCF_NOT_RUNNING);
	want(scene, WANTED_STARTED, (const char *const[]){ "db", NULL });
	assert_int_equal(run_agent(scene, "monitor"), OCF_NOT_RUNNING);
	struct rundir_guest off = { .vm = "db", .group = "sales", .phase = RUNDIR_PHASE_SHUT_DOWN };
	struct error err = ERROR_INIT;
	assert_ok(rundir_guest_set(&scene->run, &off, &err), err); // the guest shut itself down
	assert_int_equal(run_agent(scene, "monitor"), OCF_SUCCESS);
}

static void stop_ends_the_groups_guests_only(void **state)
{
	struct scene *scene = *state;

	want(scene, WANTED_STARTED, (const char *const[]){ "db", "web", NULL });
	pid_t db = sleeper(scene, "db", "sales", "running", 0),
	      web = sleeper(scene, "web", "sales", "leaving", 0);
	pid_t other = sleeper(scene, "x", "other", "running", 0),
	      reused = sleeper(scene, "y", "sales", "running", -5);
	assert_int_equal(run_agent(scene, "stop"), OCF_SUCCESS);
	assert_false(lives(db) || lives(web));
	assert_true(lives(other) && lives(reused)); // a pid that is another process now is not touched
	assert_int_equal(wanted_of(scene), WANTED_STOPPED);
	assert_int_equal(run_agent(scene, "monitor"), OCF_NOT_RUNNING);
}

static void stop_asks_qemu_to_quit(void **state)
{
	struct scene *scene = *state;
	struct error err = ERROR_INIT;
	char path[160], monitor[200];
	int status;

	assert_ok(rundir_vm_path(&scene->run, "db", NULL, path, sizeof(path), &err), err);
	assert_ok(file_make_directory(path, 0700, &err), err);
	snprintf(monitor, sizeof(monitor), "unix:%s/agent.sock,server=on,wait=off", path);
	want(scene, WANTED_STARTED, (const char *const[]){ "db", NULL });
	pid_t qemu = spawn_child(scene,
		(const char *const[]){ "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none",
			"-S", "-qmp", monitor, NULL });
	assert_ok(rundir_vm_path(&scene->run, "db", "agent.sock", path, sizeof(path), &err), err);
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		poll(NULL, 0, 10);
	record(scene, "db", "sales", "running", qemu, 0);
	assert_int_equal(run_agent(scene, "stop"), OCF_SUCCESS);
	assert_false(lives(qemu));
	assert_int_equal(waitpid(qemu, &status, 0), qemu);
	scene->child_count--;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0); // it ended by itself, not by SIGKILL
}

static void hanging_hypervisord_does_not_cost_the_node(void **state)
{
	struct scene *scene = *state;

	want(scene, WANTED_STARTED, (const char *const[]){ "db", NULL });
	pid_t db = sleeper(scene, "db", "sales", "running", 0), daemon = start_hypervisord(scene, HANGS);
	assert_int_equal(run_agent(scene, "monitor"), OCF_SUCCESS);
	assert_true(lives(daemon));
	assert_int_equal(run_agent(scene, "stop"), OCF_SUCCESS);
	assert_false(lives(db) || lives(daemon)); // it held the lock: it could have started the guest again
	assert_int_equal(wanted_of(scene), WANTED_STOPPED);
}

// ---- with hypervisord

static void start_hands_over_what_the_cib_says(void **state)
{
	struct scene *scene = *state;

	define(scene, "a1");
	start_hypervisord(scene, ANSWERS);
	if (run_agent(scene, "start") != OCF_SUCCESS)
		fail_msg("%s", scene->said);
	assert_int_equal(run_agent(scene, "stop"), OCF_SUCCESS);
	assert_int_equal(run_agent(scene, "monitor"), OCF_ERR_GENERIC);
	assert_non_null(strstr(scene->said, "ocf-exit-reason:VM db used up its restarts"));
}

static void refused_start_says_why(void **state)
{
	struct scene *scene = *state;

	define(scene, "b1");
	start_hypervisord(scene, ANSWERS);
	assert_int_equal(run_agent(scene, "start"), OCF_ERR_GENERIC);
	assert_non_null(strstr(scene->said, "ocf-exit-reason:waits for b1"));
}

static void start_waits_for_hypervisord(void **state)
{
	struct scene *scene = *state;

	define(scene, NULL);
	start_hypervisord(scene, COMES_LATE);
	if (run_agent(scene, "start") != OCF_SUCCESS)
		fail_msg("%s", scene->said);
}

static void start_gives_up_before_its_time_is_up(void **state)
{
	struct scene *scene = *state;

	define(scene, NULL);
	setenv("OCF_RESKEY_CRM_meta_timeout", "2000", 1);
	int64_t begin = loop_now_us();
	assert_int_equal(run_agent(scene, "start"), OCF_ERR_GENERIC);
	assert_in_range(loop_now_us() - begin, 900000, 2000000);
	assert_non_null(strstr(scene->said, "ocf-exit-reason:"));
}

static void move_goes_to_hypervisord(void **state)
{
	struct scene *scene = *state;

	define(scene, NULL);
	setenv("OCF_RESKEY_CRM_meta_migrate_target", "b1", 1);
	int64_t begin = loop_now_us();
	assert_int_equal(run_agent(scene, "migrate_to"),
		OCF_ERR_GENERIC); // nobody there: nothing began, no reason to wait
	assert_in_range(loop_now_us() - begin, 0, 10000000);
	start_hypervisord(scene, ANSWERS);
	if (run_agent(scene, "migrate_to") != OCF_SUCCESS)
		fail_msg("%s", scene->said);
	assert_int_equal(run_agent(scene, "migrate_from"), OCF_ERR_GENERIC);
	setenv("OCF_RESKEY_CRM_meta_migrate_target", "nosuch", 1);
	assert_int_equal(run_agent(scene, "migrate_to"), OCF_ERR_GENERIC);
	assert_non_null(strstr(scene->said, "there is no node nosuch"));
}

static void lose_b1(void)
{
	static const char *const argv[] = { "cibadmin", "--modify", "--xml-text",
		"<node_state id=\"2\" uname=\"b1\" in_ccm=\"false\" crmd=\"offline\" join=\"down\"/>", NULL };
	struct error err = ERROR_INIT;

	assert_ok(spawn_run_blocking(argv, 30000, NULL, &err), err);
}

static void set_address(struct scene *scene, const char *address)
{
	struct cib *cib = fixture_open(fixture_of(scene));
	Holdfast__Node node = HOLDFAST__NODE__INIT;
	struct error err = ERROR_INIT;

	node.name = (char *)"b1";
	node.address = (char *)address;
	assert_ok(cib_set_node(cib, &node, &err), err);
	cib_close(cib);
}

// Long before its time is up: ten minutes, which the test has not.
static void move_fails_when_the_target_is_lost(void **state)
{
	struct scene *scene = *state;

	define(scene, NULL);
	setenv("OCF_RESKEY_CRM_meta_migrate_target", "b1", 1);
	setenv("OCF_RESKEY_CRM_meta_timeout", "600000", 1);
	start_hypervisord(scene, MOVES_WITHOUT_END);
	lose_b1();
	assert_int_equal(run_agent(scene, "migrate_to"), OCF_ERR_GENERIC); // hypervisord says nothing
	assert_non_null(strstr(scene->said, "ocf-exit-reason:node b1 was lost during the move"));
	set_address(scene, "192.0.2.3");
	assert_int_equal(run_agent(scene, "migrate_to"), OCF_ERR_GENERIC); // it says that it does not know
	assert_non_null(strstr(scene->said, "ocf-exit-reason:node b1 was lost during the move"));
}

#define AGENT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	AGENT_TEST(metadata_is_valid),
	AGENT_TEST(bad_calls_have_their_codes),
	AGENT_TEST(probe_of_a_bare_node_finds_nothing),
	AGENT_TEST(processes_decide_when_it_is_dead),
	AGENT_TEST(group_whose_vms_are_all_off_is_healthy),
	AGENT_TEST(stop_ends_the_groups_guests_only),
	AGENT_TEST(stop_asks_qemu_to_quit),
	AGENT_TEST(hanging_hypervisord_does_not_cost_the_node),
	AGENT_TEST(start_hands_over_what_the_cib_says),
	AGENT_TEST(refused_start_says_why),
	AGENT_TEST(start_waits_for_hypervisord),
	AGENT_TEST(start_gives_up_before_its_time_is_up),
	AGENT_TEST(move_goes_to_hypervisord),
	AGENT_TEST(move_fails_when_the_target_is_lost),
};

UNIT_MAIN(tests)
