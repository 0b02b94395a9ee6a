// SPDX-License-Identifier: GPL-3.0-or-later
// The run directory: what is written is read back, what is damaged is said, and a pid that was used again is no guest. Restart limits too: they live
// in a guest's record.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hypervisor/restart-limit.h"
#include "hypervisor/rundir.h"

static char root[] = "/tmp/test-rundir.XXXXXX";
static const struct rundir run = { root };

static int make_root(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[] = "groups", path[300];
	snprintf(path, sizeof(path), "%s/%s", root, command);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/vms", root);
	rmdir(path);
	return rmdir(root);
}

static void write_text(const char *file, const char *text)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/%s", root, file);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void wanted_is_kept(void **state)
{
	struct error err = ERROR_INIT;
	enum wanted wanted;
	uint64_t generation = 7;
	assert_ok(rundir_wanted_get(&run, "web", &wanted, &generation, &err), err);
	assert_int_equal(wanted, WANTED_UNKNOWN);
	assert_int_equal(generation, 0);
	assert_ok(rundir_wanted_set(&run, "web", WANTED_STARTED, 1795410080913ULL, &err), err);
	assert_ok(rundir_wanted_get(&run, "web", &wanted, &generation, &err), err);
	assert_int_equal(wanted, WANTED_STARTED);
	assert_int_equal(generation, 1795410080913ULL);
	write_text("groups/web/wanted", "maybe 12\n");
	assert_fails(rundir_wanted_get(&run, "web", &wanted, &generation, &err), err, ERROR_FAILED);
	write_text("groups/web/wanted", "");
	assert_fails(rundir_wanted_get(&run, "web", &wanted, &generation, &err), err, ERROR_FAILED);
	assert_ok(rundir_group_remove(&run, "web", &err), err);
}

static void one_at_a_time_has_the_lock(void **state)
{
	struct error err = ERROR_INIT;
	int first = -1, second = -1;
	assert_ok(rundir_group_lock(&run, "web", 0, &first, &err), err);
	assert_fails(rundir_group_lock(&run, "web", 20, &second, &err), err, ERROR_BUSY);
	close(first);
	assert_ok(rundir_group_lock(&run, "web", 0, &second, &err), err);
	close(second);
	assert_ok(rundir_group_remove(&run, "web", &err), err);
}

static void a_definition_is_kept(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__GroupSpec spec = HOLDFAST__GROUP_SPEC__INIT, *read = NULL;
	Holdfast__Group group = HOLDFAST__GROUP__INIT;
	group.name = (char *)"web";
	spec.group = &group;
	spec.epoch = 12;
	assert_ok(rundir_spec_set(&run, &spec, &err), err);
	assert_ok(rundir_spec_get(&run, "web", &read, &err), err);
	assert_string_equal(read->group->name, "web");
	assert_int_equal(read->epoch, 12);
	holdfast__group_spec__free_unpacked(read, NULL);
	write_text("groups/web/spec.json", "{");
	assert_int_equal(rundir_spec_get(&run, "web", &read, &err), -1);
	assert_ok(rundir_group_remove(&run, "web", &err), err);
	assert_fails(rundir_spec_get(&run, "web", &read, &err), err, ERROR_NOT_FOUND);
}

static void a_guest_is_kept(void **state)
{
	struct error err = ERROR_INIT;
	struct rundir_guest guest = { .vm = "db",
		.group = "web",
		.pid = 4711,
		.start_time = 99,
		.uid = 2000001,
		.phase = RUNDIR_PHASE_RUNNING,
		.cold_boot_ms = 12.5,
		.restart_count = 2,
		.restart_ms = { 100, 200.25 } };
	struct rundir_guest read, *list;
	size_t count;
	assert_ok(rundir_guest_set(&run, &guest, &err), err);
	assert_ok(rundir_guest_get(&run, "db", &read, &err), err);
	assert_string_equal(read.group, "web");
	assert_string_equal(read.phase, "running");
	assert_int_equal(read.pid, 4711);
	assert_int_equal(read.start_time, 99);
	assert_int_equal(read.uid, 2000001);
	assert_int_equal(read.restart_count, 2);
	assert_true(read.restart_ms[1] == 200.25);
	assert_true(read.cold_boot_ms == 12.5);
	assert_ok(rundir_guest_list(&run, &list, &count, &err), err);
	assert_int_equal(count, 1);
	free(list);
	write_text("vms/db/qmp.sock", "");
	assert_ok(rundir_guest_remove(&run, "db", &err), err);
	assert_fails(rundir_guest_get(&run, "db", &read, &err), err, ERROR_NOT_FOUND);
	assert_ok(rundir_guest_remove(&run, "db", &err), err);
}

static void a_damaged_record_does_not_hide_the_others(void **state)
{
	struct error err = ERROR_INIT;
	struct rundir_guest guest = { .vm = "db", .group = "web", .phase = RUNDIR_PHASE_RUNNING }, *list,
			    read;
	size_t count;
	assert_ok(rundir_guest_set(&run, &guest, &err), err);
	snprintf(guest.vm, sizeof(guest.vm), "www");
	assert_ok(rundir_guest_set(&run, &guest, &err), err);
	write_text("vms/www/guest.json", "{\"vm\":\"www\"}");
	assert_fails(rundir_guest_get(&run, "www", &read, &err), err, ERROR_FAILED);
	assert_ok(rundir_guest_list(&run, &list, &count, &err), err);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].vm, "www"))
			assert_string_equal(list[i].phase, "damaged");
	free(list);
	assert_ok(rundir_guest_remove(&run, "db", &err), err);
	assert_ok(rundir_guest_remove(&run, "www", &err), err);
}

static void names_do_not_lead_out(void **state)
{
	struct error err = ERROR_INIT;
	struct rundir_guest guest = { .vm = "../x", .group = "web" };
	char path[300];
	int fd;
	assert_fails(rundir_vm_path(&run, "..", "qmp.sock", path, sizeof(path), &err), err, ERROR_USAGE);
	assert_fails(rundir_guest_set(&run, &guest, &err), err, ERROR_USAGE);
	assert_fails(rundir_group_lock(&run, "a/b", 0, &fd, &err), err, ERROR_USAGE);
	assert_fails(rundir_vm_path(&run, "db", "qmp.sock", path, 10, &err), err, ERROR_USAGE);
}

static void a_guest_is_its_pid_and_its_start(void **state)
{
	struct error err = ERROR_INIT;
	struct rundir_guest guest = { .vm = "db", .group = "web", .pid = getpid() };
	int pidfd = -1;
	assert_ok(rundir_start_time(getpid(), &guest.start_time, &err), err);
	assert_true(rundir_guest_alive(&guest, &pidfd));
	assert_true(pidfd >= 0);
	close(pidfd);
	guest.start_time++;
	assert_false(rundir_guest_alive(&guest, NULL));
	guest.pid = 0;
	assert_false(rundir_guest_alive(&guest, NULL));
}

static void restarts_have_a_limit_within_their_period(void **state)
{
	struct rundir_guest guest = { 0 };
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	vm.restart_limit = 2;
	vm.restart_period_s = 10;
	assert_true(restart_limit_take(&guest, &vm, 1000));
	assert_true(restart_limit_take(&guest, &vm, 2000));
	assert_false(restart_limit_take(&guest, &vm, 10999));
	assert_int_equal(restart_limit_count(&guest, &vm, 10999), 2);
	assert_true(restart_limit_take(&guest, &vm, 11000)); // the first is 10 s old
	assert_false(restart_limit_take(&guest, &vm, 11500));
	assert_int_equal(restart_limit_count(&guest, &vm, 100000), 0);
}

static void the_default_limit_is_three(void **state)
{
	struct rundir_guest guest = { 0 };
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	for (int i = 0; i < 3; i++)
		assert_true(restart_limit_take(&guest, &vm, 1000.0 * i));
	assert_false(restart_limit_take(&guest, &vm, 899999));
	vm.restart_limit = 1000; // more than the record holds
	vm.restart_period_s = 4000000;
	for (unsigned i = guest.restart_count; i < RUNDIR_RESTARTS; i++)
		assert_true(restart_limit_take(&guest, &vm, 899999));
	assert_false(restart_limit_take(&guest, &vm, 899999));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(wanted_is_kept),
	cmocka_unit_test(one_at_a_time_has_the_lock),
	cmocka_unit_test(a_definition_is_kept),
	cmocka_unit_test(a_guest_is_kept),
	cmocka_unit_test(a_damaged_record_does_not_hide_the_others),
	cmocka_unit_test(names_do_not_lead_out),
	cmocka_unit_test(a_guest_is_its_pid_and_its_start),
	cmocka_unit_test(restarts_have_a_limit_within_their_period),
	cmocka_unit_test(the_default_limit_is_three),
};

int main(void)
{
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
