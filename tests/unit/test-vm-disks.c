// SPDX-License-Identifier: GPL-3.0-or-later
// The hand-over of disks under a real QEMU: in every state that a guest can be in, after vm_detach_disks no descriptor of the volume is left
// in it, and after vm_attach_disks the guest goes on as if nothing had been. Needs root: QEMU gets a user of its own.
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/spawn.h"
#include "common/cage.h"
#include "hypervisor/group-private.h"
#include "hypervisor/vm-private.h"

#define END_MS 20000
#define DISKS 2

struct fixture {
	char root[32], run[48], volumes[48], cage[48];
	struct hypervisor hv;
	struct group *group;
	struct vm *vm;
};

// How many descriptors QEMU has of volume INDEX.
static int open_count(const struct vm *vm, int index)
{
	char path[64], link[512], name[24];
	int found = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)vm_pid(vm));
	snprintf(name, sizeof(name), "/%d.raw", index);
	DIR *fds = opendir(path);
	assert_non_null(fds);
	for (struct dirent *entry; (entry = readdir(fds));) {
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);
		link[length > 0 ? length : 0] = '\0';
		found += length > (ssize_t)strlen(name) && !strcmp(link + length - strlen(name), name);
	}
	closedir(fds);
	return found;
}

static void assert_open(const struct vm *vm, int count)
{
	for (int index = 1; index <= DISKS; index++)
		assert_int_equal(open_count(vm, index), count);
}

static void assert_status(struct vm *vm, const char *wanted)
{
	struct error err = ERROR_INIT;
	char status[32];
	assert_ok(vm_query_status(vm, status, &err), err);
	assert_string_equal(status, wanted);
}

// ---- a group of one VM with two disks, a raw and a qcow2 one, on the file back end

static void define(struct fixture *fixture)
{
	static Holdfast__Volume volumes[DISKS + 1];
	static Holdfast__Volume *volume_list[DISKS + 1];
	static Holdfast__Disk disks[DISKS];
	static Holdfast__Disk *disk_list[DISKS];
	struct error err = ERROR_INIT;
	Holdfast__Group group = HOLDFAST__GROUP__INIT;
	Holdfast__Vm vm = HOLDFAST__VM__INIT, *vms[] = { &vm };
	Holdfast__GroupSpec spec = HOLDFAST__GROUP_SPEC__INIT;
	for (unsigned i = 0; i <= DISKS; i++) {
		holdfast__volume__init(&volumes[i]);
		volumes[i].index = i;
		volumes[i].name = (char *)(i == 0 ? "state" : i == 1 ? "v.disk0" : "v.disk1");
		volumes[i].size_bytes = (uint64_t)(i + 1) << 20;
		volume_list[i] = &volumes[i];
	}
	for (unsigned i = 0; i < DISKS; i++) {
		holdfast__disk__init(&disks[i]);
		disks[i].name = (char *)(i ? "disk1" : "disk0");
		disks[i].volume = i + 1;
		disks[i].size_bytes = (uint64_t)(i ? 1 : 2) << 20;
		disks[i].format =
			i ? HOLDFAST__DISK_FORMAT__FORMAT_QCOW2 : HOLDFAST__DISK_FORMAT__FORMAT_RAW;
		disk_list[i] = &disks[i];
	}
	group.name = vm.group = (char *)"g";
	group.storage = HOLDFAST__STORAGE_KIND__STORAGE_FILE;
	group.volumes = volume_list;
	group.n_volumes = DISKS + 1;
	vm.name = (char *)"v";
	vm.cpus = 1;
	vm.memory_mib = 16;
	vm.disks = disk_list;
	vm.n_disks = DISKS;
	spec.group = &group;
	spec.vms = vms;
	spec.n_vms = 1;
	fixture->group = group_adopt(&fixture->hv, &spec, &err);
	if (!fixture->group)
		fail_msg("%s", err.message);
	fixture->vm = group_vm(fixture->group, 0);
	assert_ok(storage_apply(fixture->hv.storage, &group, "solo", &err), err);
}

static void open_rooms(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	snprintf(fixture->root, sizeof(fixture->root), "/tmp/test-disks.XXXXXX");
	assert_non_null(mkdtemp(fixture->root));
	snprintf(fixture->run, sizeof(fixture->run), "%s/run", fixture->root);
	snprintf(fixture->volumes, sizeof(fixture->volumes), "%s/volumes", fixture->root);
	snprintf(fixture->cage, sizeof(fixture->cage), "%s/cage", fixture->root);
	assert_int_equal(mkdir(fixture->cage, 0700), 0);
	fixture->hv.loop = loop_new();
	fixture->hv.run.root = fixture->run;
	assert_ok(config_load("/nonexistent", &fixture->hv.config, &err), err);
	free(fixture->hv.config.directory);
	fixture->hv.config.directory = strdup(fixture->volumes);
	fixture->hv.groups = groups_new();
	// Namespaces need root, as QEMU's own user does; the cage itself has tests of its own.
	struct cage_options cage = {
		.kind = geteuid() ? CAGE_BASIC : CAGE_FULL, .base = fixture->cage, .visible = ""
	};
	fixture->hv.cage = cage_new(&cage, &err);
	assert_non_null(fixture->hv.cage);
	const struct storage_paths paths = { .state = fixture->root, .run = fixture->run };
	fixture->hv.storage =
		storage_open_at(fixture->hv.loop, &fixture->hv.config, &paths, NULL, NULL, &err);
	if (!fixture->hv.storage)
		fail_msg("%s", err.message);
}

static void close_rooms(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	const char *const argv[] = { "rm", "-rf", fixture->root, NULL };
	task_end_all(fixture->hv.loop, 1000);
	groups_free(fixture->hv.groups);
	storage_close(fixture->hv.storage);
	cage_free(fixture->hv.cage);
	config_done(&fixture->hv.config);
	loop_free(fixture->hv.loop);
	assert_ok(spawn_run_blocking(argv, 10000, NULL, &err), err);
}

static void online(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	define(fixture);
	assert_ok(task_lock(group_mutex(fixture->group), 1000, &err), err);
	assert_ok(group_want(fixture->group, WANTED_STARTED, 1, &err), err);
	assert_ok(group_promote(fixture->group, false, &err), err);
}

static void offline(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	assert_ok(vm_end(fixture->vm, END_MS, &err), err);
	assert_int_equal(vm_pid(fixture->vm), 0);
	assert_ok(storage_demote(fixture->hv.storage, group_spec(fixture->group)->group, &err), err);
	task_unlock(group_mutex(fixture->group));
}

static void spawn(struct fixture *fixture, enum vm_spawn kind)
{
	struct error err = ERROR_INIT;
	uint64_t bytes[QEMU_DISKS_MAX];
	assert_ok(vm_disk_bytes(fixture->vm, bytes, &err), err);
	assert_int_equal(bytes[0], 2 << 20);
	assert_int_equal(bytes[1], 1 << 20); // its volume has more
	assert_ok(vm_spawn(fixture->vm, kind, bytes, &err), err);
	assert_open(fixture->vm, 0);
}

static void run(void (*act)(struct fixture *fixture), void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error err = ERROR_INIT;
	if (geteuid() != 0 || access("/usr/bin/qemu-system-x86_64", X_OK)) {
		free(fixture);
		skip();
	}
	open_rooms(fixture);
	assert_ok(task_run(fixture->hv.loop, "test", (task_fn *)act, fixture, &err), err);
	close_rooms(fixture);
	free(fixture);
}

#define WITH_QEMU(name)                                  \
	static void act_##name(struct fixture *fixture); \
	static void name(void **state)                   \
	{                                                \
		run(act_##name, state);                  \
	}                                                \
	static void act_##name(struct fixture *fixture)

// ---- the states

WITH_QEMU(a_guest_that_never_ran_lets_go)
{
	struct error err = ERROR_INIT;
	online(fixture);
	spawn(fixture, VM_SPAWN_BOOT);
	assert_ok(vm_attach_disks(fixture->vm, &err), err);
	assert_true(open_count(fixture->vm, 1) > 0);
	assert_ok(vm_detach_disks(fixture->vm, &err), err);
	assert_open(fixture->vm, 0);
	assert_ok(vm_detach_disks(fixture->vm, &err), err); // again: nothing to do
	assert_ok(vm_attach_disks(fixture->vm, &err), err);
	assert_ok(vm_continue(fixture->vm, &err), err);
	assert_int_equal(vm_state(fixture->vm), HOLDFAST__VM_STATE__VM_RUNNING);
	assert_open(fixture->vm, 1);
	offline(fixture);
}

WITH_QEMU(a_guest_that_ran_lets_go_and_comes_back)
{
	struct error err = ERROR_INIT;
	online(fixture);
	spawn(fixture, VM_SPAWN_BOOT);
	assert_ok(vm_attach_disks(fixture->vm, &err), err);
	assert_ok(vm_continue(fixture->vm, &err), err);
	for (int round = 0; round < 3; round++) {
		assert_ok(vm_stop_cpus(fixture->vm, &err), err);
		assert_int_equal(vm_state(fixture->vm), HOLDFAST__VM_STATE__VM_PAUSED);
		assert_ok(vm_detach_disks(fixture->vm, &err), err);
		assert_open(fixture->vm, 0);
		// As after a move that failed: the volumes were given away and taken back.
		const Holdfast__Group *group = group_spec(fixture->group)->group;
		assert_ok(storage_demote(fixture->hv.storage, group, &err), err);
		assert_ok(group_promote(fixture->group, false, &err), err);
		assert_ok(vm_attach_disks(fixture->vm, &err), err);
		if (round == 1) { // taken back and left paused, and given away once more
			assert_ok(vm_detach_disks(fixture->vm, &err), err);
			assert_open(fixture->vm, 0);
			assert_ok(vm_attach_disks(fixture->vm, &err), err);
		}
		assert_ok(vm_continue(fixture->vm, &err), err);
		assert_open(fixture->vm, 1);
		assert_status(fixture->vm, "running");
	}
	offline(fixture);
}

// What hypervisord knows after its own restart: nothing but what QEMU says.
WITH_QEMU(a_guest_of_an_earlier_hypervisord_lets_go)
{
	struct error err = ERROR_INIT;
	online(fixture);
	spawn(fixture, VM_SPAWN_BOOT);
	for (int round = 0; round < 2; round++) {
		fixture->vm->disks = VM_DISKS_UNKNOWN;
		fixture->vm->fds_linger = false;
		assert_ok(vm_attach_disks(fixture->vm, &err), err);
		fixture->vm->disks = VM_DISKS_UNKNOWN;
		fixture->vm->fds_linger = false;
		assert_ok(vm_detach_disks(fixture->vm, &err), err);
		assert_open(fixture->vm, 0);
	}
	offline(fixture);
}

WITH_QEMU(disks_go_in_while_memory_is_awaited)
{
	struct error err = ERROR_INIT;
	online(fixture);
	assert_ok(vm_move_begin(fixture->vm, HOLDFAST__VM_STATE__VM_MOVING_IN, &err), err);
	spawn(fixture, VM_SPAWN_INCOMING);
	assert_status(fixture->vm, "inmigrate");
	assert_int_equal(vm_state(fixture->vm), HOLDFAST__VM_STATE__VM_MOVING_IN);
	assert_ok(vm_attach_disks(fixture->vm, &err), err);
	assert_true(open_count(fixture->vm, 1) > 0);
	assert_ok(vm_end(fixture->vm, END_MS, &err), err);
	assert_int_equal(vm_state(fixture->vm), HOLDFAST__VM_STATE__VM_MOVING_IN);
	assert_ok(group_want(fixture->group, WANTED_STOPPED, 2, &err), err); // or it would be started again
	vm_move_end(fixture->vm, HOLDFAST__VM_STATE__VM_OFF);
	offline(fixture);
}

// A guest that is let run without its disks by mistake stops at its first access and loses nothing.
WITH_QEMU(a_guest_on_hold_stops_and_goes_on)
{
	struct error err = ERROR_INIT;
	char status[32] = "";
	online(fixture);
	spawn(fixture, VM_SPAWN_BOOT);
	assert_ok(qmp_command(vm_qmp(fixture->vm), "cont", NULL, 10000, NULL, &err), err);
	for (int i = 0; strcmp(status, "io-error"); i++) { // the firmware looks for something to boot
		assert_true(i < 600);
		assert_ok(task_pause(50, &err), err);
		assert_ok(vm_query_status(fixture->vm, status, &err), err);
	}
	assert_ok(vm_attach_disks(fixture->vm, &err), err);
	assert_ok(vm_continue(fixture->vm, &err), err);
	assert_status(fixture->vm, "running");
	offline(fixture);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_guest_that_never_ran_lets_go),
	cmocka_unit_test(a_guest_that_ran_lets_go_and_comes_back),
	cmocka_unit_test(a_guest_of_an_earlier_hypervisord_lets_go),
	cmocka_unit_test(disks_go_in_while_memory_is_awaited),
	cmocka_unit_test(a_guest_on_hold_stops_and_goes_on),
};
UNIT_MAIN(tests)
