// SPDX-License-Identifier: GPL-3.0-or-later
// Control settings: what is refused, and what the figures mean.
#include "tests/unit/unit.h"

#include <string.h>
#include "proto/control.h"

static Holdfast__Control control;
static Holdfast__Throttle limit;
static Holdfast__Disk disk, *disks[] = { &disk };
static Holdfast__Nic nic, *nics[] = { &nic };
static Holdfast__Vm vm;

static int begin(void **state)
{
	holdfast__control__init(&control);
	holdfast__throttle__init(&limit);
	holdfast__disk__init(&disk);
	holdfast__nic__init(&nic);
	holdfast__vm__init(&vm);
	vm.name = (char *)"db";
	vm.cpus = 4;
	vm.memory_mib = 1024;
	vm.control = &control;
	vm.disks = disks;
	vm.nics = nics;
	vm.n_disks = vm.n_nics = 1;
	disk.name = (char *)"disk0";
	disk.limit = &limit;
	return 0;
}

#define GOOD(setting)                                     \
	do {                                              \
		struct error err = ERROR_INIT;            \
		begin(NULL);                              \
		setting;                                  \
		assert_ok(control_check(&vm, &err), err); \
	} while (0)
#define BAD(setting, words)                                               \
	do {                                                              \
		struct error err = ERROR_INIT;                            \
		begin(NULL);                                              \
		setting;                                                  \
		assert_fails(control_check(&vm, &err), err, ERROR_USAGE); \
		if (!strstr(err.message, words))                          \
			fail_msg("not \"%s\": %s", words, err.message);   \
	} while (0)

static void what_is_possible_passes(void **state)
{
	GOOD((void)0);
	GOOD(vm.control = NULL);
	GOOD(control.cpu_reserve = control.cpu_limit = 100);
	GOOD(control.cpu_weight = 10000);
	GOOD(control.memory_floor_mib = control.memory_target_mib = 1024);
	GOOD(control.memory_floor_mib = 512; control.memory_target_mib = 512);
	GOOD(control.memory_max_mib = 2048; control.memory_target_mib = 2048);
	GOOD(disk.weight = 10000; limit.iops = 1; limit.bytes_per_s = 65536);
	GOOD(nic.limit_bytes_per_s = 65536);
}

static void what_is_not_is_refused(void **state)
{
	BAD(control.cpu_reserve = 101, "0 to 100, not 101");
	BAD(control.cpu_limit = 101, "0 to 100, not 101");
	BAD(control.cpu_reserve = 30; control.cpu_limit = 20, "more than its limit");
	BAD(control.cpu_weight = 10001, "1 to 10000, not 10001");
	BAD(control.memory_max_mib = 512, "less than the 1024");
	BAD(control.memory_floor_mib = 2048, "more than the 1024");
	BAD(control.memory_target_mib = 512, "below its floor of 1024 MiB, which is all of its memory");
	BAD(control.memory_floor_mib = 512; control.memory_target_mib = 511, "below its floor of 512");
	BAD(control.memory_target_mib = 1025, "more than the 1024");
	BAD(disk.weight = 10001, "1 to 10000");
	BAD(limit.bytes_per_s = 20, "too low");
	BAD(nic.limit_bytes_per_s = 20, "too low");
}

static void figures_are_what_the_settings_say(void **state)
{
	begin(NULL);
	assert_true(control_reserved_cpus(&vm) == 0);
	control.cpu_reserve = 25;
	assert_true(control_reserved_cpus(&vm) == 1.0);
	assert_int_equal(control_weight(0), 100);
	assert_int_equal(control_weight(7), 7);
	assert_int_equal(control_floor_mib(&vm), 1024);
	assert_int_equal(control_target_mib(&vm), 1024);
	assert_int_equal(control_memory_max_mib(&vm), 1024);
	control.memory_floor_mib = 256;
	control.memory_target_mib = 300;
	control.memory_max_mib = 4096;
	assert_int_equal(control_floor_mib(&vm), 256);
	assert_int_equal(control_target_mib(&vm), 300);
	assert_int_equal(control_memory_max_mib(&vm), 4096);
	vm.control = NULL;
	assert_true(control_reserved_cpus(&vm) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_possible_passes),
		cmocka_unit_test(what_is_not_is_refused),
		cmocka_unit_test(figures_are_what_the_settings_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
