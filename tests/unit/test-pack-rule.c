// SPDX-License-Identifier: GPL-3.0-or-later
// Whether packing pays, on links and processors made of figures: it is chosen where it is faster, and where it is not its trials cost next to
// nothing.
#include "tests/unit/unit.h"

#include "common/pack-rule.h"

#define MIB (1u << 20)
#define PIECE (256u << 10)

struct world {
	struct pack_rule rule;
	double link, encrypts, packs; // bytes per us; the processor's are of raw bytes
	double ratio; // raw to packed; 1: it does not shrink
	double buffer, queue; // bytes of the socket's
	double us; // since the begin
	uint64_t raw, packed; // bytes gone, and those of them as packed frames
	unsigned samples;
};

static void link_takes(struct world *world, double us)
{
	world->us += us;
	world->queue = world->queue > us * world->link ? world->queue - us * world->link : 0;
}

// One thread: packs, encrypts, then waits until the socket has room.
static void send_piece(struct world *world)
{
	struct pack_note note = { .raw = PIECE, .wire = PIECE };
	double begin_us = world->us;

	if (pack_rule_asks(&world->rule)) {
		world->samples++;
		link_takes(world, 20);
		pack_rule_sampled(&world->rule, world->ratio > 1.1);
	}
	if (world->rule.mode == PACK_PACKED) {
		note.pack_us = PIECE / world->packs;
		note.wire = (uint64_t)(PIECE / world->ratio);
		link_takes(world, note.pack_us);
		world->packed += PIECE;
	}
	link_takes(world, (double)note.wire / world->encrypts);
	double over = world->queue + (double)note.wire - world->buffer;
	if (over > 0)
		link_takes(world, over / world->link);
	world->queue += (double)note.wire;
	world->raw += PIECE;
	note.us = world->us - begin_us;
	note.queue = (uint64_t)world->queue;
	pack_rule_note(&world->rule, &note);
}

// Figures of megabytes a second, which are bytes per us.
static struct world world_of(double link, double ratio)
{
	struct world world = {
		.link = link, .encrypts = 1200, .packs = 359, .ratio = ratio, .buffer = 2.5 * MIB
	};

	pack_rule_init(&world.rule, false);
	return world;
}

static double run(struct world *world, unsigned mib)
{
	double begin_us = world->us;

	world->raw = world->packed = 0;
	world->samples = 0;
	for (unsigned i = 0; i < mib * (MIB / PIECE); i++)
		send_piece(world);
	return (double)world->raw / (world->us - begin_us);
}

static void a_slow_link_is_packed_for(void **state)
{
	static const double links[] = { 1.25, 12.5, 60, 125 };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct world world = world_of(links[i], 2.9);
		assert_true(run(&world, 256) > 0.9 * 2.9 * links[i] * 0.85);
		assert_true(world.packed > world.raw * 9 / 10);
	}
}

static void a_fast_link_is_not(void **state)
{
	static const double links[] = { 600, 1200, 5000 };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct world world = world_of(links[i], 2.9);
		double best = links[i] < 1200 ? links[i] : 1200;
		assert_true(run(&world, 2048) > 0.98 * best);
		assert_true(world.packed < world.raw / 100);
	}
}

static void what_does_not_shrink_is_sampled_only(void **state)
{
	static const double links[] = { 12.5, 125, 1200, 5000 };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct world world = world_of(links[i], 1);
		run(&world, 16);
		double best = links[i] < 1200 ? links[i] : 1200, begin_us = world.us;
		assert_true(run(&world, 1024) > 0.99 * best);
		assert_int_equal(world.packed, 0);
		assert_true(world.samples <= (world.us - begin_us) / 5000 + 1);
	}
}

static void a_link_that_changes_is_followed(void **state)
{
	struct world world = world_of(5000, 2.9);

	run(&world, 1024);
	world.link = 60;
	run(&world, 1024); // finds out
	assert_true(run(&world, 512) > 0.9 * 2.9 * 60 * 0.85);
	world.link = 5000;
	run(&world, 2048);
	assert_true(run(&world, 4096) > 0.97 * 1200);
}

static void data_that_changes_is_followed(void **state)
{
	struct world world = world_of(60, 2.9);

	run(&world, 256);
	assert_int_equal(world.rule.mode, PACK_PACKED);
	world.ratio = 1;
	run(&world, 4);
	assert_int_equal(world.rule.mode, PACK_PLAIN);
	world.ratio = 2.9;
	run(&world, 32);
	assert_int_equal(world.rule.mode, PACK_PACKED);
}

// A processor that packs too slowly is found out before a whole trial.
static void a_slow_processor_does_not_pack(void **state)
{
	struct world world = world_of(125, 2.9);

	world.packs = 80;
	run(&world, 64);
	assert_true(run(&world, 1024) > 0.97 * 125);
}

static void always_means_always(void **state)
{
	struct world world = world_of(5000, 2.9);

	pack_rule_init(&world.rule, true);
	run(&world, 64);
	assert_int_equal(world.packed, world.raw);
	assert_int_equal(world.samples, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_slow_link_is_packed_for),
	cmocka_unit_test(a_fast_link_is_not),
	cmocka_unit_test(what_does_not_shrink_is_sampled_only),
	cmocka_unit_test(a_link_that_changes_is_followed),
	cmocka_unit_test(data_that_changes_is_followed),
	cmocka_unit_test(a_slow_processor_does_not_pack),
	cmocka_unit_test(always_means_always),
};

UNIT_MAIN(tests)
