// SPDX-License-Identifier: GPL-3.0-or-later
// A whole move against simulated parties: the two journals, the two QEMUs and DRBD's roles are a few variables, the tables of
// move-state.c decide. Every party dies, and every message is lost, at every step of a live and of a quick move, once and twice; then all
// come back, recover as PROTOCOL.md says, and one side runs the guest, or it is started again from its disks; it never ran on two.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "migrate/move-state.h"

enum party {
	SOURCE_DAEMON,
	TARGET_DAEMON,
	SOURCE_GUEST,
	TARGET_GUEST,
	SOURCE_NODE,
	TARGET_NODE,
	LINK,
	PARTIES
};

static const char *const party_names[PARTIES] = { "source-daemon", "target-daemon", "source-guest",
	"target-guest", "source-node", "target-node", "link" };

struct side {
	enum move_state state; // in memory: lost with the daemon
	enum move_state journal; // MOVE_NONE: there is none
	bool daemon, node, qemu, runs, primary, boot_lost; // boot_lost: the journal is of an earlier boot
};

struct world {
	struct side side[MOVE_SIDES];
	bool live, link, ran_twice, target_ran, old_memory_ran, cold_boot;
};

static struct side *source(struct world *world)
{
	return &world->side[MOVE_SOURCE];
}

static struct side *target(struct world *world)
{
	return &world->side[MOVE_TARGET];
}

static void run(struct world *world, enum move_side which)
{
	world->side[which].runs = true;
	if (world->side[!which].runs)
		world->ran_twice = true;
	if (which == MOVE_TARGET)
		world->target_ran = true;
	else if (world->target_ran && !world->cold_boot)
		world->old_memory_ran = true; // memory from before what the target's guest wrote
}

// As move_advance: refused if the table says so; the journal is written with the step.
static bool advance(struct world *world, enum move_side which, enum move_event event)
{
	struct side *side = &world->side[which];
	int next = side->daemon ? move_state_next(which, side->state, event) : -1;

	if (next < 0)
		return false;
	side->state = next;
	if (move_state_journaled(which, next)) {
		side->journal = next;
		side->boot_lost = false;
	} else if (next == MOVE_NONE) {
		side->journal = MOVE_NONE;
	}
	return true;
}

static void kill_party(struct world *world, enum party party)
{
	struct side *side =
		&world->side[party == TARGET_DAEMON || party == TARGET_GUEST || party == TARGET_NODE];

	switch (party) {
	case LINK:
		world->link = false;
		return;
	case SOURCE_GUEST:
	case TARGET_GUEST:
		side->qemu = side->runs = false;
		return;
	case SOURCE_NODE:
	case TARGET_NODE:
		side->node = side->qemu = side->runs = side->primary = false;
		side->boot_lost = true;
		// fall through
	default:
		side->daemon = false;
	}
}

static bool together(struct world *world)
{
	return world->link && source(world)->daemon && target(world)->daemon;
}

// ---- what each side does at an error, as source-back.c and target.c have it

static void let_go(struct world *world)
{
	struct side *side = target(world);

	if (side->state == MOVE_NONE || !advance(world, MOVE_TARGET, MOVE_EV_FAIL))
		return;
	side->qemu = side->runs = side->primary = false;
	advance(world, MOVE_TARGET, MOVE_EV_END);
}

static void take_back(struct world *world)
{
	struct side *side = source(world);

	if (target(world)->primary)
		return; // DRBD refuses: tried again later
	side->primary = true;
	if (side->qemu) {
		run(world, MOVE_SOURCE);
	} else {
		world->cold_boot = side->qemu = true;
		run(world, MOVE_SOURCE);
	}
	advance(world, MOVE_SOURCE, MOVE_EV_END);
}

static void finish(struct world *world)
{
	source(world)->qemu = source(world)->runs = source(world)->primary = false;
	advance(world, MOVE_SOURCE, MOVE_EV_END);
}

static void forward(struct world *world)
{
	struct side *side = target(world);

	if (side->state == MOVE_COMMITTED) {
		if (!side->qemu)
			world->cold_boot = side->qemu = true;
		run(world, MOVE_TARGET);
		advance(world, MOVE_TARGET, MOVE_EV_RUN);
	}
}

// move_query: what is not committed never will be.
static enum move_state answer_query(struct world *world)
{
	struct side *side = target(world);

	if (side->boot_lost)
		return side->journal == MOVE_COMMITTED || side->journal == MOVE_RUNNING ? MOVE_LOST
											: MOVE_ABORTED;
	forward(world);
	if (side->state == MOVE_RUNNING)
		return MOVE_RUNNING;
	let_go(world);
	return MOVE_ABORTED;
}

static void settle(struct world *world)
{
	if (source(world)->state != MOVE_RELEASED || !together(world))
		return;
	switch (answer_query(world)) {
	case MOVE_RUNNING:
		advance(world, MOVE_SOURCE, MOVE_EV_PEER_RUNS);
		finish(world);
		break;
	case MOVE_LOST:
		advance(world, MOVE_SOURCE, MOVE_EV_PEER_LOST);
		finish(world);
		break;
	default:
		advance(world, MOVE_SOURCE, MOVE_EV_PEER_ABORTED);
		take_back(world);
	}
}

static void source_fails(struct world *world)
{
	switch (source(world)->state) {
	case MOVE_PREPARING:
	case MOVE_PREPARED:
	case MOVE_PRECOPY:
		advance(world, MOVE_SOURCE, MOVE_EV_FAIL);
		break;
	case MOVE_QUIESCE:
		advance(world, MOVE_SOURCE, MOVE_EV_FAIL);
		take_back(world);
		break;
	case MOVE_BACK:
		take_back(world);
		break;
	case MOVE_DONE:
	case MOVE_DEAD:
		finish(world);
		break;
	default:
		settle(world);
	}
}

static void target_fails(struct world *world)
{
	if (target(world)->state == MOVE_COMMITTED)
		forward(world);
	else
		let_go(world);
}

// ---- the move: one step a call

static bool step(struct world *world, unsigned at)
{
	struct side *from = source(world), *to = target(world);

	switch (at) {
	case 0:
		return advance(world, MOVE_SOURCE, MOVE_EV_PREPARE);
	case 1:
		return together(world) && advance(world, MOVE_TARGET, MOVE_EV_PREPARE);
	case 2:
		to->qemu = to->daemon;
		return advance(world, MOVE_TARGET, MOVE_EV_READY);
	case 3:
		return together(world) && advance(world, MOVE_SOURCE, MOVE_EV_READY);
	case 4:
		return !world->live || advance(world, MOVE_SOURCE, MOVE_EV_COPY);
	case 5:
		return !world->live ||
			((together(world) && from->qemu) && advance(world, MOVE_TARGET, MOVE_EV_COPY));
	case 6:
		return from->qemu && to->qemu && advance(world, MOVE_SOURCE, MOVE_EV_STOP);
	case 7: // stop, close, demote
		if (!from->daemon || !from->qemu)
			return false;
		from->runs = false;
		from->primary = false;
		return together(world); // the lease
	case 8:
		return advance(world, MOVE_SOURCE, MOVE_EV_RELEASE);
	case 9:
		return together(world) && advance(world, MOVE_TARGET, MOVE_EV_TAKE);
	case 10: // promote, open, memory
		if (!together(world) || from->primary || !from->qemu || !to->qemu)
			return false;
		return to->primary = true;
	case 11:
		return together(world) && to->qemu && advance(world, MOVE_TARGET, MOVE_EV_COMMIT);
	case 12:
		if (!to->daemon)
			return false;
		forward(world);
		return true;
	case 13:
		return together(world) && advance(world, MOVE_SOURCE, MOVE_EV_PEER_RUNS);
	case 14:
		if (!from->daemon)
			return false;
		finish(world);
		return true;
	default:
		return false;
	}
}

#define STEPS 15u

static void restart(struct world *world, enum move_side which)
{
	struct side *side = &world->side[which];

	if (!side->node)
		side->node = true; // fenced and booted: a new boot
	if (side->daemon)
		return;
	side->daemon = true;
	side->state = side->journal;
	if (side->boot_lost) { // the guests of that boot are gone; a target's commit is remembered until the source has asked
		if (which == MOVE_SOURCE ||
			(side->journal != MOVE_COMMITTED && side->journal != MOVE_RUNNING))
			side->journal = MOVE_NONE;
		side->state = MOVE_NONE;
		return;
	}
	if (which == MOVE_TARGET && side->state == MOVE_NONE)
		side->qemu = false; // an incoming QEMU that no move has is ended
}

// What Pacemaker does in the end, when the group runs nowhere: start, with what before_start does. The other node is fenced, or answers.
static void failover(struct world *world)
{
	for (int which = 0; which < MOVE_SIDES; which++) {
		struct side *side = &world->side[which];
		if (side->runs || !side->daemon)
			continue;
		if (which == MOVE_SOURCE && side->state == MOVE_RELEASED) {
			advance(world, MOVE_SOURCE, MOVE_EV_PEER_LOST);
			finish(world);
		}
	}
	if (source(world)->runs || target(world)->runs)
		return;
	enum move_side which = source(world)->daemon ? MOVE_SOURCE : MOVE_TARGET;
	struct side *side = &world->side[which];
	world->side[!which].primary = false;
	world->cold_boot = side->qemu = side->primary = true;
	run(world, which);
}

static void recover(struct world *world)
{
	world->link = true;
	restart(world, MOVE_TARGET);
	restart(world, MOVE_SOURCE);
	for (int round = 0; round < 3; round++) {
		target_fails(world);
		source_fails(world);
	}
}

// Returns how many guests run.
static int play(struct world *world, bool live, unsigned at, int first, unsigned then, int second)
{
	*world = (struct world){
		.live = live,
		.link = true,
		.side = { { .daemon = true, .node = true, .qemu = true, .runs = true, .primary = true },
			{ .daemon = true, .node = true } },
	};
	for (unsigned i = 0; i < STEPS; i++) {
		if (i == at && first >= 0)
			kill_party(world, first);
		if (i == then && second >= 0)
			kill_party(world, second);
		if (step(world, i))
			continue;
		// Whoever is left and sees the error acts at once; the target sees that the connection is gone.
		if (source(world)->daemon)
			source_fails(world);
		if (target(world)->daemon)
			target_fails(world);
		break;
	}
	recover(world);
	if (!source(world)->runs && !target(world)->runs)
		failover(world);
	return source(world)->runs + target(world)->runs;
}

static void judge(const struct world *world, int running, const char *what)
{
	if (running != 1)
		fail_msg("%s: %d guests run in the end", what, running);
	if (world->ran_twice)
		fail_msg("%s: the guest ran on both nodes", what);
	if (world->old_memory_ran)
		fail_msg("%s: the source's guest went on after the target's had run", what);
	if (world->side[MOVE_SOURCE].primary && world->side[MOVE_TARGET].primary)
		fail_msg("%s: both are Primary", what);
}

static void nobody_dies(void **state)
{
	struct world world;

	for (int live = 0; live < 2; live++) {
		judge(&world, play(&world, live, 0, -1, 0, -1), "undisturbed");
		assert_true(world.side[MOVE_TARGET].runs);
		assert_false(world.cold_boot);
		assert_int_equal(world.side[MOVE_SOURCE].journal, MOVE_NONE);
	}
}

static void each_party_dies_at_each_step(void **state)
{
	struct world world;
	char what[128];

	for (int live = 0; live < 2; live++) {
		for (unsigned at = 0; at < STEPS; at++) {
			for (int party = 0; party < PARTIES; party++) {
				snprintf(what, sizeof(what), "%s, %s before step %u", live ? "live" : "quick",
					party_names[party], at);
				judge(&world, play(&world, live, at, party, 0, -1), what);
			}
		}
	}
}

static void two_parties_die(void **state)
{
	struct world world;
	char what[128];

	for (int live = 0; live < 2; live++) {
		for (unsigned at = 0; at < STEPS * PARTIES; at++) {
			for (unsigned then = 0; then < STEPS * PARTIES; then++) {
				snprintf(what, sizeof(what), "%s, %s before step %u, %s before %u",
					live ? "live" : "quick", party_names[at % PARTIES], at / PARTIES,
					party_names[then % PARTIES], then / PARTIES);
				judge(&world,
					play(&world, live, at / PARTIES, (int)(at % PARTIES), then / PARTIES,
						(int)(then % PARTIES)),
					what);
			}
		}
	}
}

// A daemon or the link alone never costs the guest its memory.
static void only_a_lost_guest_or_node_means_a_boot(void **state)
{
	static const enum party harmless[] = { SOURCE_DAEMON, TARGET_DAEMON, LINK };
	struct world world;

	for (int live = 0; live < 2; live++) {
		for (unsigned at = 0; at < STEPS; at++) {
			for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
				play(&world, live, at, harmless[i], 0, -1);
				if (world.cold_boot)
					fail_msg("%s before step %u: the guest was booted",
						party_names[harmless[i]], at);
			}
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nobody_dies),
	cmocka_unit_test(each_party_dies_at_each_step),
	cmocka_unit_test(two_parties_die),
	cmocka_unit_test(only_a_lost_guest_or_node_means_a_boot),
};

UNIT_MAIN(tests)
