// SPDX-License-Identifier: GPL-3.0-or-later
// When DRBD may go on without its peer: the decision over all that can be seen, DRBD's state as text, and the proofs that can be had without
// a cluster.
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "fence/drbd-state.h"
#include "fence/fence-decide.h"
#include "fence/proof-sources.h"
#include "tests/unit/cib-fixture.h"

// ---- the decision

static const struct {
	const char *name;
	struct sight sight;
	enum verdict expected;
} stories[] = {
	{ "nothing answers", { 0 }, VERDICT_WAIT },
	{ "link is back", { .connected = true, .clustered = true, .quorate = true, .proof = true },
		VERDICT_MOOT },
	{ "lost, just now", { .clustered = true, .quorate = true, .peer_member = true, .primary = true },
		VERDICT_WAIT },
	{ "lost, noticed", { .clustered = true, .quorate = true, .primary = true }, VERDICT_RECORD },
	{ "lost, recorded",
		{ .clustered = true,
			.quorate = true,
			.primary = true,
			.recorded = true,
			.record = RECORD_OURS },
		VERDICT_WAIT },
	{ "fenced before it was recorded",
		{ .clustered = true, .quorate = true, .primary = true, .proof = true }, VERDICT_RECORD },
	{ "an earlier record is no excuse",
		{ .clustered = true, .quorate = true, .proof = true, .record = RECORD_OURS },
		VERDICT_RECORD },
	{ "fenced and recorded", { .clustered = true, .quorate = true, .recorded = true, .proof = true },
		VERDICT_FENCED },
	{ "no quorum", { .clustered = true, .recorded = true, .proof = true }, VERDICT_WAIT },
	{ "peer was first", { .clustered = true, .quorate = true, .record = RECORD_OTHERS, .proof = true },
		VERDICT_REFUSE },
	{ "only the link",
		{ .clustered = true, .quorate = true, .peer_member = true, .settled = true, .primary = true },
		VERDICT_RECORD },
	{ "only the link, recorded",
		{ .clustered = true,
			.quorate = true,
			.peer_member = true,
			.settled = true,
			.primary = true,
			.recorded = true },
		VERDICT_OUTDATED },
	{ "promoted while the peer runs it",
		{ .clustered = true,
			.quorate = true,
			.peer_member = true,
			.settled = true,
			.peer_active = true },
		VERDICT_PRIMARY },
	{ "promoted in a move whose link broke",
		{ .clustered = true,
			.quorate = true,
			.peer_member = true,
			.settled = true,
			.peer_active = true,
			.moving = true },
		VERDICT_REFUSE },
};

static void stories_end_as_they_must(void **state)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		if (fence_decide(&stories[i].sight) != stories[i].expected)
			fail_msg("%s: %s", stories[i].name,
				fence_verdict_text(fence_decide(&stories[i].sight)));
}

// Every combination of what can be seen.
static void never_goes_on_without_quorum_record_and_reason(void **state)
{
	for (unsigned bits = 0; bits < 1u << 10; bits++) {
		for (enum record record = RECORD_NONE; record <= RECORD_OTHERS; record++) {
			struct sight sight = {
				.connected = bits & 1,
				.clustered = bits & 2,
				.quorate = bits & 4,
				.peer_member = bits & 8,
				.settled = bits & 16,
				.recorded = bits & 32,
				.primary = bits & 64,
				.peer_active = bits & 128,
				.moving = bits & 256,
				.proof = bits & 512,
				.record = record,
			};
			enum verdict verdict = fence_decide(&sight);
			int code = fence_exit_code(verdict);
			assert_true(code == 1 || code == 4 || code == 6 || code == 7);
			if (code == 4 || code == 7) {
				assert_true(sight.clustered && sight.quorate && sight.recorded &&
					record != RECORD_OTHERS);
				assert_true(code == 7 ? sight.proof && !sight.peer_member
						      : sight.peer_member && sight.settled);
			}
			if (verdict == VERDICT_RECORD)
				assert_true(sight.quorate && record != RECORD_OTHERS &&
					(sight.settled || !sight.peer_member));
			if (verdict == VERDICT_RECORD && sight.peer_member)
				assert_true(sight.primary || !sight.peer_active);
		}
	}
}

// ---- DRBD

static const char proc_drbd[] = "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 0\n"
				" 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n    "
				"ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0\n"
				" 2: cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----\n  "
				"  [>....] sync'ed: 3.1%\n"
				" 3: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r---d-\n"
				" 4: cs:Unconfigured\n"
				"11: cs:NetworkFailure ro:Secondary/Unknown ds:UpToDate/DUnknown C r-----\n";

static struct drbd_state parse(const char *text, unsigned minor_a, unsigned minor_b)
{
	Holdfast__Group group = HOLDFAST__GROUP__INIT;
	Holdfast__Volume a = HOLDFAST__VOLUME__INIT, b = HOLDFAST__VOLUME__INIT, *volumes[] = { &a, &b };
	struct drbd_state state;

	a.minor = minor_a;
	b.minor = minor_b;
	group.n_volumes = 2;
	group.volumes = volumes;
	drbd_state_parse(text, &group, &state);
	return state;
}

static void volumes_count_together(void **state)
{
	struct drbd_state both = parse(proc_drbd, 1, 1), syncing = parse(proc_drbd, 1, 2),
			  lost = parse(proc_drbd, 3, 11);

	assert_true(both.known && both.connected && both.primary && both.current && both.peer_current);
	assert_true(syncing.known && syncing.connected && syncing.primary && !syncing.current &&
		syncing.peer_current);
	assert_true(lost.known && !lost.connected && lost.primary && lost.current && !lost.peer_current);
	assert_false(parse(proc_drbd, 1, 4).known);
	assert_false(parse(proc_drbd, 1, 12).known);
	assert_false(parse("", 1, 2).known);
}

// ---- proof

static void word_counts_for_this_loss_only(void **state)
{
	struct fixture *fixture = *state;
	struct error err = ERROR_INIT;
	struct proof proof;
	char path[128];
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	assert_int_equal(proof_confirmed_in(fixture->directory, "b1", 0, &proof, &err), 0);
	snprintf(path, sizeof(path), "%s/b1", fixture->directory);
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(futimens(fd, times), 0);
	assert_int_equal(proof_confirmed_in(fixture->directory, "b1", 1000, &proof, &err), 1);
	assert_int_equal(proof.when, 1000);
	assert_int_equal(proof_confirmed_in(fixture->directory, "b1", 1001, &proof, &err), 0);
	assert_int_equal(proof_confirmed_in(fixture->directory, "../b1", 0, &proof, &err), -1);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_int_equal(proof_confirmed_in(fixture->directory, "b1", 1000, &proof, &err), -1);
	}
	unlink(path);
}

static void set_state(struct fixture *fixture, const char *attributes)
{
	char xml[256];
	const char *const argv[] = { "cibadmin", "--modify", "--xml-text", xml, NULL };
	struct error err = ERROR_INIT;

	snprintf(xml, sizeof(xml), "<node_state id=\"2\" uname=\"b1\" %s/>", attributes);
	assert_ok(spawn_run_blocking(argv, 30000, NULL, &err), err);
}

static void cluster_proves_only_what_it_concluded(void **state)
{
	static const struct {
		const char *attributes;
		int expected;
	} cases[] = {
		{ "in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"", 0 },
		{ "in_ccm=\"false\" crmd=\"offline\" join=\"down\" expected=\"member\"",
			0 }, // lost, not fenced
		{ "in_ccm=\"false\" crmd=\"offline\" join=\"down\" expected=\"down\"", 1 }, // fenced
		{ "in_ccm=\"true\" crmd=\"offline\" join=\"down\" expected=\"down\"",
			0 }, // back in the membership
		{ "in_ccm=\"true\" crmd=\"online\" join=\"pending\" expected=\"down\"", 0 },
	};
	struct error err = ERROR_INIT;
	struct proof proof;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_state(*state, cases[i].attributes);
		if (proof_check("b1", 0, &proof, &err) != cases[i].expected)
			fail_msg("%s: %s", cases[i].attributes, err.message);
	}
	assert_int_equal(proof_check("nosuch", 0, &proof, &err), 0); // never seen is not gone
	assert_fails(proof_await("b1", 0, 300, &proof, &err), err, ERROR_TIMEOUT);
	set_state(*state, cases[2].attributes);
	assert_ok(proof_await("b1", 0, 300, &proof, &err), err);
	assert_string_equal(
		proof.kind, "left the cluster in order"); // there is no fencer here that knows better
}

#define CIB_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(stories_end_as_they_must),
	cmocka_unit_test(never_goes_on_without_quorum_record_and_reason),
	cmocka_unit_test(volumes_count_together),
	CIB_TEST(word_counts_for_this_loss_only),
	CIB_TEST(cluster_proves_only_what_it_concluded),
};

UNIT_MAIN(tests)
