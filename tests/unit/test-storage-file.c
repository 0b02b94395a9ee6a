// SPDX-License-Identifier: GPL-3.0-or-later
// File storage: volumes of the right size, one node at a time, nothing left behind, no symbolic links; two "nodes" are two storages
// on one directory.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/task.h"
#include "storage/file-lock.h"
#include "storage/internal.h"

#define MIB (1ull << 20)

struct bench {
	char root[64], directory[96], state[2][96], run[2][96];
	struct loop *loop;
	struct storage *node[2]; // "a1", "b1"
	Holdfast__Group group;
	Holdfast__Volume volumes[2], *volume_list[2];
	void (*body)(struct bench *bench);
	bool ended;
};

static void open_node(struct bench *bench, int i)
{
	struct error err = ERROR_INIT;
	struct config config = {
		.node = (char *)(i ? "b1" : "a1"), .pool = (char *)"none", .directory = bench->directory
	};

	bench->node[i] = storage_open_at(bench->loop, &config,
		&(struct storage_paths){ bench->state[i], bench->run[i], "/nonexistent" }, NULL, NULL, &err);
	if (!bench->node[i])
		fail_msg("%s", err.message);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	*state = bench;
	snprintf(bench->root, sizeof(bench->root), "/tmp/holdfast-test-storage.XXXXXX");
	if (!mkdtemp(bench->root))
		return -1;
	snprintf(bench->directory, sizeof(bench->directory), "%s/volumes", bench->root);
	bench->loop = loop_new();
	for (int i = 0; i < 2; i++) {
		snprintf(bench->state[i], sizeof(bench->state[i]), "%s/state%d", bench->root, i);
		snprintf(bench->run[i], sizeof(bench->run[i]), "%s/run%d", bench->root, i);
		open_node(bench, i);
	}
	holdfast__group__init(&bench->group);
	bench->group.name = (char *)"web";
	bench->group.storage = HOLDFAST__STORAGE_KIND__STORAGE_FILE;
	bench->group.n_volumes = 2;
	bench->group.volumes = bench->volume_list;
	for (unsigned i = 0; i < 2; i++) {
		holdfast__volume__init(&bench->volumes[i]);
		bench->volumes[i].index = i;
		bench->volumes[i].name = (char *)(i ? "v.disk0" : "state");
		bench->volumes[i].size_bytes = 3 * MIB;
		bench->volume_list[i] = &bench->volumes[i];
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	return remove(path);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	if (!bench->ended)
		_exit(1); // a failed assertion has left the task in the middle: nothing can be tried after that
	storage_close(bench->node[0]);
	storage_close(bench->node[1]);
	loop_free(bench->loop);
	int result = nftw(bench->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(bench);
	return result;
}

static void run_body(void *data)
{
	struct bench *bench = data;

	bench->body(bench);
	bench->ended = true;
	loop_quit(bench->loop);
}

static void in_task(void **state, void (*body)(struct bench *))
{
	struct bench *bench = *state;
	struct error err = ERROR_INIT;

	bench->body = body;
	assert_non_null(task_start(bench->loop, "test", run_body, bench, &err));
	loop_run(bench->loop);
}

static int promote(struct bench *bench, int node, struct error *err)
{
	struct storage_promote params = { .node = node ? "b1" : "a1" };
	struct error what_if = ERROR_INIT;
	int expected = storage_may_promote(bench->node[node], &bench->group, &params, &what_if);

	int result = storage_promote(bench->node[node], &bench->group, &params, err);
	assert_int_equal(result, expected);
	return result;
}

static void path_of(const struct bench *bench, const char *file, char path[160])
{
	snprintf(path, 160, "%s/web/%s", bench->directory, file);
}

static void volumes_are_made_and_removed(struct bench *bench)
{
	struct error err = ERROR_INIT;
	char path[160];
	struct stat st;
	uint64_t bytes;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	path_of(bench, "1.raw", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3 * MIB);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_ok(storage_volume_bytes(bench->node[0], &bench->group, 1, &bytes, &err), err);
	assert_int_equal(bytes, 3 * MIB);
	assert_fails(
		storage_volume_bytes(bench->node[0], &bench->group, 7, &bytes, &err), err, ERROR_NOT_FOUND);
	bench->volumes[1].size_bytes = 2 * MIB; // volumes do not shrink
	assert_fails(storage_apply(bench->node[0], &bench->group, "a1", &err), err, ERROR_UNSAFE);
	assert_ok(storage_destroy(bench->node[0], "web", &err), err);
	assert_ok(storage_destroy(bench->node[0], "web", &err), err);
	path_of(bench, ".", path);
	assert_int_equal(stat(path, &st), -1);
}

static void too_large_leaves_nothing(struct bench *bench)
{
	struct error err = ERROR_INIT;
	char path[160];
	struct stat st;

	bench->volumes[1].size_bytes = 1ull << 60;
	assert_fails(storage_apply(bench->node[0], &bench->group, "a1", &err), err, ERROR_NO_SPACE);
	assert_non_null(strstr(err.message, "MiB are needed"));
	path_of(bench, ".", path);
	assert_int_equal(stat(path, &st), -1);
	Holdfast__VolumeStatus **volumes;
	size_t count;
	assert_ok(storage_status(bench->node[0], NULL, &volumes, &count, &err), err);
	assert_int_equal(count, 0);
	free(volumes);
}

static void one_node_at_a_time(struct bench *bench)
{
	struct error err = ERROR_INIT;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_ok(storage_apply(bench->node[1], &bench->group, "b1", &err), err);
	assert_ok(promote(bench, 0, &err), err);
	assert_ok(promote(bench, 0, &err), err);
	assert_fails(promote(bench, 1, &err), err, ERROR_BUSY);
	assert_non_null(strstr(err.message, "in use on a1"));
	assert_ok(storage_demote(bench->node[0], &bench->group, &err), err);
	assert_ok(storage_demote(bench->node[0], &bench->group, &err), err);
	assert_ok(promote(bench, 1, &err), err);
	assert_fails(promote(bench, 0, &err), err, ERROR_BUSY);
}

static void an_open_volume_is_not_given_up(struct bench *bench)
{
	struct error err = ERROR_INIT;
	char *path, holder[32];
	uint64_t bytes;
	int fd;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_fails(
		storage_open_volume(bench->node[0], &bench->group, 1, &fd, &bytes, &err), err, ERROR_UNSAFE);
	assert_ok(promote(bench, 0, &err), err);
	assert_ok(storage_open_volume(bench->node[0], &bench->group, 1, &fd, &bytes, &err), err);
	assert_int_equal(bytes, 3 * MIB);
	double began = loop_now_ms();
	assert_fails(storage_demote(bench->node[0], &bench->group, &err), err, ERROR_BUSY);
	assert_true(loop_now_ms() - began >= STORAGE_BUSY_RETRY_MS);
	snprintf(holder, sizeof(holder), "(pid %d)", getpid());
	assert_non_null(strstr(err.message, holder));
	close(fd);
	assert_ok(storage_mount_state(bench->node[0], &bench->group, &path, &err), err);
	assert_int_equal(access(path, W_OK), 0);
	free(path);
	assert_fails(storage_demote(bench->node[0], &bench->group, &err), err, ERROR_BUSY);
	assert_ok(storage_unmount_state(bench->node[0], &bench->group, &err), err);
	assert_ok(storage_demote(bench->node[0], &bench->group, &err), err);
}

// hypervisord on a1 dies, its guest (the descriptor) lives: b1 may not, a1 itself may.
static void a_living_guest_keeps_the_group(struct bench *bench)
{
	struct error err = ERROR_INIT;
	uint64_t bytes;
	int fd;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_ok(promote(bench, 0, &err), err);
	assert_ok(storage_open_volume(bench->node[0], &bench->group, 1, &fd, &bytes, &err), err);
	storage_close(bench->node[0]);
	open_node(bench, 0);
	assert_fails(promote(bench, 1, &err), err, ERROR_BUSY);
	assert_non_null(strstr(err.message, "last in use on a1"));
	assert_ok(promote(bench, 0, &err), err);
	close(fd);
	storage_close(bench->node[0]);
	open_node(bench, 0);
	assert_ok(promote(bench, 1, &err), err);
}

// hypervisord on a1 hangs: the agent gives the group up, b1 may have it, and a1 knows that it lost it.
static void the_agent_can_give_it_up(struct bench *bench)
{
	struct error err = ERROR_INIT;
	uint64_t bytes;
	int fd;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_ok(promote(bench, 0, &err), err);
	assert_ok(storage_open_volume(bench->node[0], &bench->group, 1, &fd, &bytes, &err), err);
	assert_fails(storage_file_demote_blocking(&bench->group, bench->directory, &err), err, ERROR_BUSY);
	close(fd);
	assert_ok(storage_file_demote_blocking(&bench->group, bench->directory, &err), err);
	assert_ok(storage_file_demote_blocking(&bench->group, bench->directory, &err), err);
	assert_ok(promote(bench, 1, &err), err);
	assert_fails(
		storage_open_volume(bench->node[0], &bench->group, 1, &fd, &bytes, &err), err, ERROR_UNSAFE);
	assert_fails(promote(bench, 0, &err), err, ERROR_BUSY);
}

static void symbolic_links_are_refused(struct bench *bench)
{
	struct error err = ERROR_INIT;
	char path[160], target[160];
	struct stat st;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	snprintf(target, sizeof(target), "%s/elsewhere", bench->root);
	path_of(bench, "1.raw", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(storage_apply(bench->node[0], &bench->group, "a1", &err), -1);
	assert_int_equal(stat(target, &st), -1);
	path_of(bench, "state", path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink(bench->root, path), 0);
	assert_ok(promote(bench, 0, &err), err);
	char *mounted;
	assert_fails(storage_mount_state(bench->node[0], &bench->group, &mounted, &err), err, ERROR_UNSAFE);
}

static void status_says_the_role(struct bench *bench)
{
	struct error err = ERROR_INIT;
	Holdfast__VolumeStatus **volumes;
	size_t count;

	assert_ok(storage_apply(bench->node[0], &bench->group, "a1", &err), err);
	assert_ok(promote(bench, 0, &err), err);
	assert_ok(storage_status(bench->node[0], "web", &volumes, &count, &err), err);
	assert_int_equal(count, 2);
	assert_string_equal(volumes[1]->name, "v.disk0");
	assert_string_equal(volumes[1]->node, "a1");
	assert_string_equal(volumes[1]->disk, "UpToDate");
	assert_int_equal(volumes[1]->role, HOLDFAST__ROLE__ROLE_PRIMARY);
	for (size_t i = 0; i < count; i++)
		holdfast__volume_status__free_unpacked(volumes[i], NULL);
	free(volumes);
	// It is known again after a restart.
	storage_close(bench->node[0]);
	open_node(bench, 0);
	assert_ok(storage_bring_up(bench->node[0], &err), err);
	assert_ok(storage_status(bench->node[0], "web", &volumes, &count, &err), err);
	assert_int_equal(count, 2);
	assert_int_equal(volumes[1]->role, HOLDFAST__ROLE__ROLE_SECONDARY);
	for (size_t i = 0; i < count; i++)
		holdfast__volume_status__free_unpacked(volumes[i], NULL);
	free(volumes);
}

#define IN_TASK(name)                         \
	static void test_##name(void **state) \
	{                                     \
		in_task(state, name);         \
	}
IN_TASK(volumes_are_made_and_removed)
IN_TASK(too_large_leaves_nothing)
IN_TASK(one_node_at_a_time)
IN_TASK(an_open_volume_is_not_given_up)
IN_TASK(a_living_guest_keeps_the_group)
IN_TASK(the_agent_can_give_it_up)
IN_TASK(symbolic_links_are_refused)
IN_TASK(status_says_the_role)
#define CASE(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(volumes_are_made_and_removed),
		CASE(too_large_leaves_nothing),
		CASE(one_node_at_a_time),
		CASE(an_open_volume_is_not_given_up),
		CASE(a_living_guest_keeps_the_group),
		CASE(the_agent_can_give_it_up),
		CASE(symbolic_links_are_refused),
		CASE(status_says_the_role),
	};
	return cmocka_run_group_tests_name("storage-file", tests, NULL, NULL);
}
