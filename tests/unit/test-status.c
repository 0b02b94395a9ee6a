// SPDX-License-Identifier: GPL-3.0-or-later
// Status composition: the same small cluster (a1 and b1 at two sites, group web with VM db) in health and in each kind of trouble.
#include "tests/unit/unit.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clusterd/cpu-baseline.h"
#include "clusterd/status.h"
#include "proto/json.h"

struct world {
	struct member members[2];
	struct membership_state state;
	struct cib_node nodes[2];
	struct cib_group group;
	struct cib_snapshot cib;
	Holdfast__HostStatus *host_status[2];
	struct status_host hosts[2];
	struct status_input in;
};

static void *read_json(const ProtobufCMessageDescriptor *type, const char *text)
{
	struct error err = ERROR_INIT;
	void *message = proto_from_json_text(type, text, &err);

	if (!message)
		fail_msg("%s: %s", text, err.message);
	return message;
}

static Holdfast__HostStatus *host_of(const char *vms)
{
	g_autofree char *text =
		g_strdup_printf("{\"version\":\"0.1.0\",\"memory_mib\":1000,\"memory_free_mib\":600,"
				"\"groups\":[{\"name\":\"web\",\"volumes\":["
				"{\"name\":\"state\",\"index\":0,\"disk\":\"UpToDate\",\"peer_disk\":"
				"\"UpToDate\",\"connection\":\"Connected\",\"sync_percent\":100},"
				"{\"name\":\"db.disk0\",\"index\":1,\"disk\":\"UpToDate\",\"peer_disk\":"
				"\"UpToDate\",\"connection\":\"Connected\",\"sync_percent\":100}"
				"]}],\"vms\":[%s]}",
			vms);

	return read_json(&holdfast__host_status__descriptor, text);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	for (int i = 0; i < 2; i++) {
		struct member *member = &w->members[i];

		member->nodeid = i ? 201 : 101;
		member->online = true;
		g_strlcpy(member->name, i ? "b1" : "a1", sizeof(member->name));
		w->nodes[i] = (struct cib_node){
			.online = true, .clean = true, .fence_device = strdup(i ? "fence-b1" : "fence-a1")
		};
	}
	w->state = (struct membership_state){ .connected = true,
		.quorate = true,
		.witness = WITNESS_CONNECTED,
		.own_nodeid = 101,
		.members = w->members,
		.count = 2 };
	w->nodes[0].node = read_json(&holdfast__node__descriptor,
		"{\"name\":\"a1\",\"site\":\"a\",\"address\":\"10.0.1.11\",\"nodeid\":101}");
	w->nodes[1].node = read_json(&holdfast__node__descriptor,
		"{\"name\":\"b1\",\"site\":\"b\",\"address\":\"10.0.1.21\",\"nodeid\":201}");
	w->group.spec = read_json(&holdfast__group_spec__descriptor,
		"{\"group\":{\"name\":\"web\",\"storage\":\"drbd\",\"preferred\":[\"a1\"],\"possible\":["
		"\"a1\",\"b1\"],"
		"\"replicas\":[{\"node\":\"a1\"},{\"node\":\"b1\"}],\"volumes\":[{\"index\":0,\"minor\":0,"
		"\"name\":\"state\"},"
		"{\"index\":1,\"minor\":1,\"name\":\"db.disk0\"}]},"
		"\"vms\":[{\"name\":\"db\",\"group\":\"web\",\"cpus\":2,\"memory_mib\":128,\"disks\":[{"
		"\"name\":\"disk0\",\"volume\":1,\"size_bytes\":1048576}]}]}");
	w->group.wanted_started = true;
	w->group.active_on[0] = strdup("a1");
	w->cib = (struct cib_snapshot){ .quorate = true,
		.cluster_name = (char *)"lab",
		.dc = (char *)"a1",
		.witness = (char *)"10.0.1.31",
		.groups = &w->group,
		.group_count = 1,
		.nodes = w->nodes,
		.node_count = 2 };
	w->host_status[0] = host_of("{\"name\":\"db\",\"group\":\"web\",\"state\":\"running\",\"pid\":77}");
	w->host_status[1] = host_of("");
	for (int i = 0; i < 2; i++)
		w->hosts[i] = (struct status_host){ .node = w->members[i].name, .status = w->host_status[i] };
	w->in = (struct status_input){
		.own_node = "a1", .members = &w->state, .cib = &w->cib, .hosts = w->hosts, .host_count = 2
	};
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		holdfast__node__free_unpacked(w->nodes[i].node, NULL);
		holdfast__host_status__free_unpacked(w->host_status[i], NULL);
		free(w->nodes[i].fence_device);
		free(w->group.active_on[i]);
	}
	holdfast__group_spec__free_unpacked(w->group.spec, NULL);
	free(w->group.current);
	free(w->group.failure);
	free(w->group.move_to);
	free(w->group.move_failed);
	free(w);
	return 0;
}

// b1 is gone, since a known time; fenced or not.
static void lose_b1(struct world *w, bool clean)
{
	w->members[1].online = false;
	w->members[1].since_us = 1769846400000000; // 2026-01-31T08:00:00Z
	w->nodes[1].online = false;
	w->nodes[1].clean = clean;
	w->in.host_count = 1;
}

static bool says(char *const *problems, size_t count, const char *first, const char *second)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(problems[i], first) && (!second || strstr(problems[i], second)))
			return true;
	return false;
}

static void expect_problem(const struct world *w, const char *first, const char *second)
{
	Holdfast__ClusterStatus *status = status_cluster(&w->in);

	if (!says(status->problems, status->n_problems, first, second)) {
		for (size_t i = 0; i < status->n_problems; i++)
			print_error("problem: %s\n", status->problems[i]);
		fail_msg("no problem says '%s' and '%s'", first, second ? second : "");
	}
	holdfast__cluster_status__free_unpacked(status, NULL);
}

static void expect_state(const struct world *w, Holdfast__GroupState state, const char *owner)
{
	Holdfast__GroupStatus *status = status_group(&w->in, &w->group);

	assert_int_equal(status->state, state);
	assert_string_equal(status->owner, owner);
	holdfast__group_status__free_unpacked(status, NULL);
}

static void a_healthy_cluster(void **state)
{
	struct world *w = *state;
	Holdfast__ClusterStatus *status = status_cluster(&w->in);

	assert_string_equal(status->name, "lab");
	assert_true(status->quorate);
	assert_string_equal(status->witness_state, "connected");
	assert_int_equal(status->n_nodes, 2);
	assert_int_equal(status->nodes[0]->state, HOLDFAST__NODE_STATE__NODE_ONLINE);
	assert_int_equal(status->nodes[0]->n_groups, 1);
	assert_int_equal(status->nodes[1]->n_groups, 0);
	assert_int_equal(status->nodes[0]->memory_free_mib, 600);
	assert_string_equal(status->nodes[1]->fence_device, "fence-b1");
	assert_int_equal(status->n_sites, 2);
	assert_int_equal(status->sites[1]->online, 1);
	assert_int_equal(status->n_groups, 1);
	assert_int_equal(status->groups[0]->n_volumes, 4);
	assert_string_equal(status->groups[0]->volumes[3]->node, "b1");
	// Two sites without SBD: the one thing that every status says.
	assert_int_equal(status->n_problems, 1);
	assert_true(says(status->problems, 1, "whole site", "confirm-down"));
	holdfast__cluster_status__free_unpacked(status, NULL);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
}

static void a_vm_is_as_its_owner_knows_it(void **state)
{
	struct world *w = *state;
	Holdfast__VmStatus *status = status_vm(&w->in, &w->group, w->group.spec->vms[0]);

	assert_int_equal(status->state, HOLDFAST__VM_STATE__VM_RUNNING);
	assert_string_equal(status->node, "a1");
	assert_string_equal(status->target, "running");
	assert_int_equal(status->pid, 77);
	holdfast__vm_status__free_unpacked(status, NULL);
	w->hosts[0].status = NULL;
	w->hosts[0].reason = "no answer in time";
	status = status_vm(&w->in, &w->group, w->group.spec->vms[0]);
	assert_string_equal(status->reason, "not known: no answer in time");
	assert_string_equal(status->disks[0]->volume, "db.disk0");
	assert_string_equal(status->disks[0]->device, "/dev/drbd1");
	holdfast__vm_status__free_unpacked(status, NULL);
	expect_problem(w, "node a1", "no answer in time");
}

static void a_vm_of_an_offline_group(void **state)
{
	struct world *w = *state;

	free(w->group.active_on[0]);
	w->group.active_on[0] = NULL;
	w->group.spec->vms[0]->target = HOLDFAST__VM_TARGET__TARGET_SAVED;
	Holdfast__VmStatus *status = status_vm(&w->in, &w->group, w->group.spec->vms[0]);
	assert_int_equal(status->state, HOLDFAST__VM_STATE__VM_SAVED);
	assert_string_equal(status->node, "");
	assert_non_null(strstr(status->reason, "offline"));
	holdfast__vm_status__free_unpacked(status, NULL);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_OFFLINE, "");
	expect_problem(w, "group web shall be online", NULL);
}

static void states_of_a_group(void **state)
{
	struct world *w = *state;

	w->group.move_to = strdup("b1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_MOVING, "a1");
	w->group.active_on[1] = w->group.active_on[0];
	w->group.active_on[0] = strdup("b1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_MOVING, "a1");
	w->group.leaving = strdup("a1"); // by then the guest is on the other side
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_MOVING, "b1");
	free(w->group.leaving);
	w->group.leaving = NULL;
	free(w->group.active_on[1]);
	w->group.active_on[1] = NULL;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "b1");
	w->group.blocked = w->group.failed = true;
	w->group.failure = strdup("migrate_to on a1 failed: the target is gone");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "b1");
	expect_problem(w, "group web: migrate_to on a1 failed: the target is gone", "cleaned up");
}

static void a_start_under_way_is_not_online(void **state)
{
	struct world *w = *state;

	w->group.pending = true;
	w->host_status[0]->groups[0]->state = HOLDFAST__GROUP_STATE__GROUP_ONLINE;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
	w->host_status[0]->groups[0]->state = HOLDFAST__GROUP_STATE__GROUP_OFFLINE;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_OFFLINE, "a1");
	w->group.pending = false;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
}

// Said before a failover needs it, of the node and the VM that it concerns.
static void a_file_that_a_node_lacks(void **state)
{
	struct world *w = *state;
	Holdfast__FileMissing missing = HOLDFAST__FILE_MISSING__INIT;
	Holdfast__FileMissing *list[] = { &missing };

	missing.path = (char *)"/images/base.qcow2";
	missing.text = (char *)"its parent: /images/base.qcow2 cannot be opened on node b1: put it there";
	w->host_status[1]->missing_files = list;
	w->host_status[1]->n_missing_files = 1;
	a_healthy_cluster(state); // no VM needs it
	Holdfast__Disk *disk = w->group.spec->vms[0]->disks[0];
	char *none = disk->parent;
	disk->parent = missing.path;
	expect_problem(w, "group web would not start on node b1, because of VM db", missing.text);
	w->hosts[1].status = NULL;
	Holdfast__ClusterStatus *status = status_cluster(&w->in);
	assert_false(says(status->problems, status->n_problems, "base.qcow2", NULL));
	holdfast__cluster_status__free_unpacked(status, NULL);
	disk->parent = none;
	w->host_status[1]->missing_files = NULL;
	w->host_status[1]->n_missing_files = 0;
}

static void a_lost_node_that_is_not_fenced(void **state)
{
	struct world *w = *state;

	lose_b1(w, false);
	expect_problem(w, "node b1 is offline since 2026-01-31T08:00:00.000Z and not proved gone",
		"confirm-down b1");
	expect_problem(w, "group web: its replica on b1 is missing", "since 2026-01-31T08:00:00.000Z");
	Holdfast__NodeStatus *status = status_node(&w->in, "b1");
	assert_int_equal(status->state, HOLDFAST__NODE_STATE__NODE_OFFLINE);
	assert_false(status->fenced);
	holdfast__node_status__free_unpacked(status, NULL);
}

static void a_fenced_node(void **state)
{
	struct world *w = *state;

	lose_b1(w, true);
	Holdfast__NodeStatus *status = status_node(&w->in, "b1");
	assert_true(status->fenced);
	assert_true(says(status->problems, status->n_problems, "node b1 is offline since", NULL));
	holdfast__node_status__free_unpacked(status, NULL);
}

static void a_group_that_waits_for_current_data(void **state)
{
	struct world *w = *state;

	lose_b1(w, true);
	free(w->group.active_on[0]);
	w->group.active_on[0] = NULL;
	w->group.current = strdup("b1");
	w->group.failed = true;
	w->group.failure = strdup("start on a1 failed: waits for b1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "");
	expect_problem(w, "group web waits for node b1, which alone has current data",
		"since 2026-01-31T08:00:00.000Z");
	expect_problem(w, "--force-old-data", NULL);
}

static void replicas_in_trouble(void **state)
{
	struct world *w = *state;
	Holdfast__VolumeStatus *volume = w->host_status[1]->groups[0]->volumes[1];

	free(volume->disk);
	volume->disk = strdup("Inconsistent");
	volume->sync_percent = 42;
	expect_problem(w, "group web: the replica on b1 is being brought up to date (42 %)", NULL);
	volume->sync_percent = 100;
	expect_problem(w, "volume db.disk0) is Inconsistent", NULL);
	free(volume->disk);
	volume->disk = strdup("UpToDate");
	free(volume->connection);
	volume->connection = strdup("StandAlone");
	expect_problem(w, "StandAlone, not connected", "b1");
	Holdfast__GroupStatus *replica = w->host_status[1]->groups[0];
	replica->problems = calloc(1, sizeof(char *));
	replica->problems[replica->n_problems++] = strdup("the replica on b1 waits for a1 since noon");
	expect_problem(w, "group web: the replica on b1 waits for a1 since noon", NULL);
	free(replica->problems[0]);
	replica->n_problems = 0;
	volume->suspended = true;
	expect_problem(w, "db.disk0 on b1 is frozen", NULL);
	for (size_t i = 0; i < w->host_status[1]->n_groups; i++)
		w->host_status[1]->groups[i]->name[0] = 'x';
	expect_problem(w, "node b1 has no replica of it up", NULL);
}

static void quorum_and_witness(void **state)
{
	struct world *w = *state;

	w->state.witness = WITNESS_LOST;
	expect_problem(w, "the witness 10.0.1.31 does not answer", NULL);
	w->state.quorate = false;
	w->members[1].online = false;
	expect_problem(w, "no quorum: node a1 sees 1 of 2 nodes and not the witness", NULL);
	w->state.connected = false;
	expect_problem(w, "corosync on node a1 does not answer", NULL);
	w->state.witness = WITNESS_NONE;
	expect_problem(w, "there is no witness", NULL);
}

static void missing_fence_devices(void **state)
{
	struct world *w = *state;

	free(w->nodes[1].fence_device);
	w->nodes[1].fence_device = NULL;
	expect_problem(w, "node b1 has no fence device", "fence add b1");
	free(w->nodes[0].fence_device);
	w->nodes[0].fence_device = NULL;
	expect_problem(w, "no working fence device: it starts no replicated group", NULL);
}

static void pacemaker_down(void **state)
{
	struct world *w = *state;

	w->in.cib_reason = "Pacemaker on this node has gone";
	expect_problem(w, "Pacemaker on node a1 cannot be asked", "may be old");
	w->in.cib = NULL;
	Holdfast__ClusterStatus *status = status_cluster(&w->in);
	assert_int_equal(status->n_nodes, 2);
	assert_int_equal(status->nodes[1]->state, HOLDFAST__NODE_STATE__NODE_ONLINE);
	assert_int_equal(status->n_groups, 0);
	holdfast__cluster_status__free_unpacked(status, NULL);
	assert_null(status_node(&w->in, "z9"));
	w->in.cib = &w->cib;
	w->in.cib_reason = NULL;
	w->nodes[1].online = false;
	expect_problem(w, "node b1: Pacemaker is not running there", NULL);
}

static void is_online_on(struct world *w, int node, bool online)
{
	w->host_status[node]->groups[0]->state =
		online ? HOLDFAST__GROUP_STATE__GROUP_ONLINE : HOLDFAST__GROUP_STATE__GROUP_OFFLINE;
}

// Pacemaker holds the group, as failed and perhaps on both nodes: what counts is which hypervisor has it.
static void a_failed_move_is_not_a_failed_group(void **state)
{
	struct world *w = *state;

	w->group.blocked = w->group.failed = true;
	w->group.failure = strdup("migrate_to on a1 failed: error");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "a1");
	is_online_on(w, 0, true);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "a1"); // another failure
	w->group.move_failed = strdup("a1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
	expect_problem(w, "group web runs on a1; its last move failed: migrate_to on a1 failed", NULL);
	w->group.move_to = strdup("b1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_MOVING, "a1");
	free(w->group.move_to);
	w->group.move_to = NULL;
	w->group.active_on[1] = strdup("b1");
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
	is_online_on(w, 0, false);
	is_online_on(w, 1, true);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "b1");
	is_online_on(w, 0, true);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "a1");
	is_online_on(w, 0, false);
	is_online_on(w, 1, false);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_FAILED, "a1");
	w->host_status[0]->groups[0]->state = HOLDFAST__GROUP_STATE__GROUP_MOVING; // it comes back
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_MOVING, "a1");
}

// The failure was forgotten, and Pacemaker has not looked again yet.
static void a_group_that_pacemaker_looks_for(void **state)
{
	struct world *w = *state;

	free(w->group.active_on[0]);
	w->group.active_on[0] = NULL;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_OFFLINE, "");
	expect_problem(w, "group web shall be online and is not", NULL);
	is_online_on(w, 0, true);
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_ONLINE, "a1");
	Holdfast__ClusterStatus *status = status_cluster(&w->in);
	assert_false(says(status->problems, status->n_problems, "group web", NULL));
	holdfast__cluster_status__free_unpacked(status, NULL);
	w->group.wanted_started = false;
	expect_state(w, HOLDFAST__GROUP_STATE__GROUP_OFFLINE, "");
}

static void add_event(
	struct event_store *store, int number, const char *kind, const char *group, const char *text)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	struct error err = ERROR_INIT;
	g_autofree char *id = g_strdup_printf("a1-%d", number);
	g_autofree char *time = g_strdup_printf("2026-01-31T08:00:%02d.000Z", number);

	event.id = id;
	event.time = time;
	event.node = (char *)"a1";
	event.kind = (char *)kind;
	event.group = (char *)group;
	event.text = (char *)text;
	assert_int_equal(event_store_add(store, &event, &err), 1);
}

static void why_the_last_move_failed(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;
	char path[] = "/tmp/test-status-XXXXXX";
	int fd = mkstemp(path);
	struct event_store *store = event_store_open(path, EVENT_STORE_LIMIT_BYTES, &err);

	assert_true(fd >= 0 && store);
	w->in.events = store;
	assert_null(status_last_move_failed(&w->in, "web"));
	add_event(store, 1, "move-failed", "web", "the move to b1 failed: no room; the group runs on here");
	add_event(store, 2, "move", "other", "");
	w->group.blocked = w->group.failed = true;
	w->group.failure = strdup("migrate_to on a1 failed: error");
	w->group.move_failed = strdup("a1");
	is_online_on(w, 0, true);
	expect_problem(w, "its last move failed: the move to b1 failed: no room", NULL);
	Holdfast__GroupStatus *status = status_group(&w->in, &w->group);
	assert_string_equal(status->last_move_failed,
		"2026-01-31T08:00:01.000Z: the move to b1 failed: no room; the group runs on here");
	holdfast__group_status__free_unpacked(status, NULL);
	add_event(store, 3, "move", "web", "");
	status = status_group(&w->in, &w->group);
	assert_string_equal(status->last_move_failed, "");
	holdfast__group_status__free_unpacked(status, NULL);
	event_store_close(store);
	close(fd);
	unlink(path);
}

// MODELS: with a space between.
static void can_run(struct world *w, int node, const char *models)
{
	Holdfast__HostStatus *host = w->host_status[node];
	g_auto(GStrv) names = g_strsplit(models, " ", -1);
	size_t count = models[0] ? g_strv_length(names) : 0;

	for (size_t i = 0; i < host->n_cpu_models; i++)
		free(host->cpu_models[i]);
	free(host->cpu_models);
	host->cpu_models = calloc(count + 1, sizeof(char *));
	host->n_cpu_models = count;
	for (size_t i = 0; i < count; i++)
		host->cpu_models[i] = strdup(names[i]);
}

static void expect_choice(const struct world *w, const char *wish, const char *model)
{
	struct error err = ERROR_INIT;
	const char *chosen = NULL;

	assert_ok(cpu_baseline_choose(&w->in, wish, &chosen, &err), err);
	assert_string_equal(chosen, model);
}

static void the_best_model_that_all_nodes_can_run(void **state)
{
	struct world *w = *state;
	struct error err = ERROR_INIT;
	const char *chosen;

	assert_null(cpu_baseline_of(&w->in));
	assert_fails(cpu_baseline_choose(&w->in, "baseline", &chosen, &err), err, ERROR_UNREACHABLE);
	expect_choice(w, "host", "host");
	can_run(w, 0, "qemu32 qemu64 Nehalem Westmere Haswell-noTSX");
	assert_string_equal(cpu_baseline_of(&w->in), "Haswell-noTSX"); // as far as they have said
	error_clear(&err);
	assert_fails(cpu_baseline_choose(&w->in, "Nehalem", &chosen, &err), err, ERROR_UNREACHABLE);
	assert_non_null(strstr(err.message, "node b1"));
	can_run(w, 1, "qemu64 Nehalem Westmere");
	assert_string_equal(cpu_baseline_of(&w->in), "Westmere");
	expect_choice(w, "baseline", "Westmere");
	expect_choice(w, "Nehalem", "Nehalem");
	error_clear(&err);
	assert_fails(cpu_baseline_choose(&w->in, "Haswell-noTSX", &chosen, &err), err, ERROR_FAILED);
	assert_non_null(strstr(err.message, "node b1 cannot run"));
	can_run(w, 1, "qemu32 EPYC");
	error_clear(&err);
	assert_fails(cpu_baseline_choose(&w->in, "baseline", &chosen, &err), err, ERROR_FAILED);
}

static void a_node_that_cannot_run_the_clusters_model(void **state)
{
	struct world *w = *state;

	can_run(w, 0, "qemu64 Nehalem Westmere");
	can_run(w, 1, "qemu64 Nehalem");
	w->cib.cpu_model = (char *)"Westmere";
	expect_problem(
		w, "node b1 cannot run the cluster's CPU model Westmere", "the best that it can is Nehalem");
	Holdfast__ClusterStatus *status = status_cluster(&w->in);
	assert_false(says(status->problems, status->n_problems, "node a1 cannot run", NULL));
	assert_string_equal(status->cpu_model, "Westmere");
	assert_string_equal(status->cpu_baseline, "Nehalem");
	assert_string_equal(status->nodes[0]->cpu_model, "Westmere");
	assert_int_equal(status->nodes[1]->n_cpu_models, 2);
	holdfast__cluster_status__free_unpacked(status, NULL);
	can_run(w, 1, ""); // of an older version: nothing is known
	status = status_cluster(&w->in);
	assert_false(says(status->problems, status->n_problems, "cannot run the cluster's", NULL));
	holdfast__cluster_status__free_unpacked(status, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_healthy_cluster, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_vm_is_as_its_owner_knows_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_vm_of_an_offline_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(states_of_a_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_start_under_way_is_not_online, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_a_node_lacks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_node_that_is_not_fenced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fenced_node, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_group_that_waits_for_current_data, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replicas_in_trouble, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quorum_and_witness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_fence_devices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pacemaker_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_move_is_not_a_failed_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_group_that_pacemaker_looks_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(why_the_last_move_failed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_best_model_that_all_nodes_can_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_cannot_run_the_clusters_model, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
