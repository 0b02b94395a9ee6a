// SPDX-License-Identifier: GPL-3.0-or-later
// The weights that reserves become: whoever else is busy, each VM gets its reserve, and the rest goes by weight.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "hypervisor/control-plan.h"

#define MOST 6

// What VM I gets of CPUS processors when the VMs of BUSY and that many SIBLINGS of the slice want all that they can have.
static double given(const struct control_share *shares, size_t count, unsigned busy, uint32_t slice,
	unsigned siblings, double cpus, size_t i)
{
	double all = 0;
	for (size_t k = 0; k < count; k++)
		if (busy & (1u << k))
			all += shares[k].cpu_weight;
	return cpus * slice / (slice + siblings * 100.0) * shares[i].cpu_weight / all;
}

static void without_reserves_weights_are_as_defined(void **state)
{
	struct control_share shares[] = { { 0, 100, 0 }, { 0, 300, 0 }, { 0, 0, 0 }, { 0, 10000, 0 },
		{ 0, 1, 0 } };
	assert_int_equal(control_plan_cpu(shares, 5, 4), 100);
	assert_int_equal(shares[0].cpu_weight, 100);
	assert_int_equal(shares[1].cpu_weight, 300);
	assert_int_equal(shares[2].cpu_weight, 100);
	assert_int_equal(shares[3].cpu_weight, 10000);
	assert_int_equal(shares[4].cpu_weight, 1);
}

// Many nodes, every set of busy VMs, up to two busy siblings: nobody gets less than its reserve (the kernel's weights are whole numbers).
static void a_reserve_holds_whoever_is_busy(void **state)
{
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct control_share shares[MOST];
		size_t count = 1 + (size_t)rand() % MOST;
		double cpus = 1 + rand() % 64, left = cpus * 0.97;
		for (size_t i = 0; i < count; i++) {
			double reserve = rand() % 3 ? left * (rand() % 100) / 100 : 0;
			left -= reserve;
			shares[i] = (struct control_share){ reserve, 1 + (uint32_t)rand() % 10000, 0 };
		}
		uint32_t slice = control_plan_cpu(shares, count, cpus);
		assert_in_range(slice, 1, 10000);
		for (unsigned busy = 1; busy < 1u << count; busy++) {
			for (size_t i = 0; i < count; i++) {
				assert_in_range(shares[i].cpu_weight, 1, 10000);
				if (!(busy & (1u << i)))
					continue;
				double got = given(shares, count, busy, slice, 2, cpus, i);
				if (got < shares[i].reserve * 0.99 - cpus * 0.001)
					fail_msg("round %d: VM %zu gets %f of its %f", round, i, got,
						shares[i].reserve);
			}
		}
	}
}

static void what_is_not_reserved_goes_by_weight(void **state)
{
	struct control_share shares[] = { { 1, 100, 0 }, { 1, 300, 0 }, { 0, 100, 0 } };
	control_plan_cpu(shares, 3, 4); // 3 sure: 2 reserved, and 1 for weights of 1:3:1
	assert_in_range(shares[0].cpu_weight, 7490, 7510);
	assert_int_equal(shares[1].cpu_weight, 10000);
	assert_in_range(shares[2].cpu_weight, 1240, 1260);
}

static void the_node_keeps_some_of_itself(void **state)
{
	struct control_share one = { 0.5, 100, 0 };
	uint32_t slice = control_plan_cpu(&one, 1, 1);
	assert_in_range(slice, 550, 650); // a quarter of the node for two that are busy
	one.reserve = 1;
	assert_int_equal(control_plan_cpu(&one, 1, 1), 10000);
}

static void texts_and_sizes(void **state)
{
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	Holdfast__Control control = HOLDFAST__CONTROL__INIT;
	Holdfast__Disk a = HOLDFAST__DISK__INIT, b = HOLDFAST__DISK__INIT, *disks[] = { &a, &b };
	char text[CONTROL_PLAN_MAX_BYTES];
	vm.cpus = 2;
	vm.memory_mib = 1024;
	control_plan_cpu_max(&vm, text);
	assert_string_equal(text, "max 100000");
	vm.control = &control;
	control.cpu_limit = 25;
	control_plan_cpu_max(&vm, text);
	assert_string_equal(text, "50000 100000");
	control.cpu_limit = 100;
	control_plan_cpu_max(&vm, text);
	assert_string_equal(text, "max 100000");

	assert_int_equal(control_plan_memory_mib(&vm, true, 65536), 1024 + 64 + 384);
	assert_int_equal(control_plan_memory_mib(&vm, false, 65536), 1024 + 64 + 384 + 1024);
	assert_int_equal(control_plan_memory_mib(&vm, false, 1024), 1024 + 64 + 384 + 128);
	control.memory_max_mib = 4096;
	assert_int_equal(control_plan_memory_mib(&vm, true, 65536), 4096 + 256 + 384);

	assert_int_equal(control_plan_io_weight(&vm), 100);
	vm.disks = disks;
	vm.n_disks = 2;
	a.weight = 50;
	assert_int_equal(control_plan_io_weight(&vm), 100);
	b.weight = 300;
	assert_int_equal(control_plan_io_weight(&vm), 300);
	assert_true(control_plan_pids(&vm) > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_reserves_weights_are_as_defined),
		cmocka_unit_test(a_reserve_holds_whoever_is_busy),
		cmocka_unit_test(what_is_not_reserved_goes_by_weight),
		cmocka_unit_test(the_node_keeps_some_of_itself),
		cmocka_unit_test(texts_and_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
