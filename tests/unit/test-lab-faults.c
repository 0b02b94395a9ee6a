// SPDX-License-Identifier: GPL-3.0-or-later
// Which links of a lab a fault touches: exactly those between the two places, on the named networks, in the named direction.
#include "tests/unit/unit.h"

#include <string.h>
#include "deploy/lab/labd/faults.h"

enum { A1, A2, B1, W };

static struct node_config node(const char *name, const char *site)
{
	return (struct node_config){ .name = (char *)name, .site = (char *)site };
}

static const struct lab_config *lab(void)
{
	static struct lab_config config = { .count = 4 };

	config.nodes[A1] = node("a1", "a");
	config.nodes[A2] = node("a2", "a");
	config.nodes[B1] = node("b1", "b");
	config.nodes[W] = node("w", "witness");
	return &config;
}

// The cut links of a network, four bits for each sender.
static unsigned cuts(const struct faults *faults, enum lab_net net)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 4; j++)
			bits |= (unsigned)faults->pair[net][i][j].cut << (4 * i + j);
	}
	return bits;
}

#define LINK(from, to) (1u << (4 * (from) + (to)))

static void a_cut_of_sites_cuts_all_their_nodes(void **state)
{
	struct faults faults = { .config = lab() };
	const struct fault_place place = { "a", "b", 1u << NET_DATA, FAULT_BOTH_WAYS };
	struct error err = ERROR_INIT;

	assert_ok(faults_cut(&faults, &place, &err), err);
	assert_int_equal(cuts(&faults, NET_DATA), LINK(A1, B1) | LINK(A2, B1) | LINK(B1, A1) | LINK(B1, A2));
	assert_int_equal(cuts(&faults, NET_MGMT), 0);
	faults_heal(&faults);
	assert_int_equal(cuts(&faults, NET_DATA), 0);
}

static void one_way_is_one_way(void **state)
{
	struct faults faults = { .config = lab() };
	struct fault_place place = { "a1", "witness", 0, FAULT_ONE_WAY };
	struct error err = ERROR_INIT;

	assert_ok(faults_parse_nets("all", &place.nets, &err), err);
	assert_ok(faults_cut(&faults, &place, &err), err);
	assert_int_equal(cuts(&faults, NET_DATA), LINK(A1, W));
	assert_int_equal(cuts(&faults, NET_MGMT), LINK(A1, W));
}

static void a_delay_leaves_a_cut(void **state)
{
	struct faults faults = { .config = lab() };
	const struct fault_place place = { "a1", "b1", 1u << NET_MGMT, FAULT_BOTH_WAYS };
	struct error err = ERROR_INIT;

	assert_ok(faults_cut(&faults, &place, &err), err);
	assert_ok(faults_delay(&faults, &place, 20, 5, &err), err);
	assert_true(faults.pair[NET_MGMT][A1][B1].cut);
	assert_int_equal(faults.pair[NET_MGMT][B1][A1].delay_ms, 20);
	assert_int_equal(faults.pair[NET_MGMT][B1][A1].loss_percent, 5);
}

static void nonsense_is_refused_and_changes_nothing(void **state)
{
	struct faults faults = { .config = lab() }, untouched = faults;
	const struct fault_place unknown = { "a1", "c1", 1, FAULT_BOTH_WAYS },
				 same = { "a", "a2", 1, FAULT_BOTH_WAYS },
				 good = { "a1", "b1", 1, FAULT_BOTH_WAYS };
	struct error err = ERROR_INIT;
	unsigned nets;

	assert_fails(faults_cut(&faults, &unknown, &err), err, ERROR_NOT_FOUND);
	assert_fails(faults_cut(&faults, &same, &err), err, ERROR_USAGE);
	assert_fails(faults_delay(&faults, &good, FAULT_DELAY_MAX_MS + 1, 0, &err), err, ERROR_USAGE);
	assert_fails(faults_delay(&faults, &good, 0, 101, &err), err, ERROR_USAGE);
	assert_fails(faults_parse_nets("both", &nets, &err), err, ERROR_USAGE);
	assert_memory_equal(&faults, &untouched, sizeof(faults));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_cut_of_sites_cuts_all_their_nodes),
	cmocka_unit_test(one_way_is_one_way),
	cmocka_unit_test(a_delay_leaves_a_cut),
	cmocka_unit_test(nonsense_is_refused_and_changes_nothing),
};

UNIT_MAIN(tests)
