// SPDX-License-Identifier: GPL-3.0-or-later
// /proc/drbd as the kernel prints it, what of a change becomes an event, what is a problem, and what is remembered across a restart.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "storage/drbd-proc.h"
#include "storage/drbd-watch.h"

#define HEAD "version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 059B1B470318F053F5077D5 \n\n"
#define COUNTERS "    ns:0 nr:152 dw:232 dr:29 al:9 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:128\n"
#define LINE(cs, ro, ds, flags) "10: cs:" cs " ro:" ro " ds:" ds " C " flags "\n" COUNTERS
#define SYNC                                                                                              \
	"\t[=>..................] sync'ed: 12.3% (57344/65280)K\n\tfinish: 0:00:05 speed: 9,472 (9,472) " \
	"K/sec\n"

static void reads_what_the_kernel_prints(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_free struct drbd_minor *minors = NULL;
	size_t count;

	assert_ok(drbd_proc_parse(HEAD " 0: cs:Unconfigured\n\n" LINE("SyncTarget", "Secondary/Primary",
					  "Inconsistent/UpToDate", "s-----") SYNC
			  "1234: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r-----\n",
			  &minors, &count, &err),
		err);
	assert_int_equal(count, 2);
	const struct drbd_minor *ten = drbd_proc_find(minors, count, 10),
				*other = drbd_proc_find(minors, count, 1234);
	assert_null(drbd_proc_find(minors, count, 0));
	assert_string_equal(ten->connection, "Connected");
	assert_true(ten->connected && ten->suspended);
	assert_int_equal(ten->sync, DRBD_SYNC_TARGET);
	assert_int_equal(ten->role, HOLDFAST__ROLE__ROLE_SECONDARY);
	assert_int_equal(ten->peer_role, HOLDFAST__ROLE__ROLE_PRIMARY);
	assert_string_equal(ten->disk, "Inconsistent");
	assert_string_equal(ten->peer_disk, "UpToDate");
	assert_true(ten->sync_percent > 12.2 && ten->sync_percent < 12.4);
	assert_int_equal(ten->out_of_sync_kib, 128);
	assert_string_equal(other->connection, "Connecting");
	assert_false(other->connected || other->suspended);
	assert_true(other->sync_percent == 100);
}

static void does_not_guess(void **state)
{
	struct error err = ERROR_INIT;
	struct drbd_minor *minors;
	size_t count;

	assert_fails(drbd_proc_parse("version: 9.1.4 (api:2/proto:86-121)\n", &minors, &count, &err), err,
		ERROR_FAILED);
	assert_fails(drbd_proc_parse("", &minors, &count, &err), err, ERROR_FAILED);
	assert_fails(
		drbd_proc_parse(HEAD LINE("Conected", "Primary/Secondary", "UpToDate/UpToDate", "r-----"),
			&minors, &count, &err),
		err, ERROR_PROTOCOL);
	assert_fails(
		drbd_proc_parse(HEAD LINE("Connected", "Primary/Tertiary", "UpToDate/UpToDate", "r-----"),
			&minors, &count, &err),
		err, ERROR_PROTOCOL);
	assert_fails(drbd_proc_parse(HEAD "10: cs:Connected\n", &minors, &count, &err), err, ERROR_PROTOCOL);
}

// ---- views of a group with one volume, minor 10, on a1; its peer is b1

static struct drbd_view look(const struct drbd_view *before, const char *proc, time_t at)
{
	struct error err = ERROR_INIT;
	Holdfast__Group group = HOLDFAST__GROUP__INIT;
	Holdfast__Volume volume = HOLDFAST__VOLUME__INIT, *list[] = { &volume };
	cleanup_free struct drbd_minor *minors = NULL;
	struct drbd_view view;
	size_t count;

	volume.minor = 10;
	group.name = (char *)"web";
	group.volumes = list;
	group.n_volumes = 1;
	assert_ok(drbd_proc_parse(proc, &minors, &count, &err), err);
	assert_ok(drbd_view_look(before, &group, minors, count, at, &view, &err), err);
	return view;
}

static const char *const GOOD = HEAD LINE("Connected", "Secondary/Primary", "UpToDate/UpToDate", "r-----");
static const char *const LOST = HEAD LINE("WFConnection", "Secondary/Unknown", "UpToDate/DUnknown", "r-----");
static const char *const BOOTED =
	HEAD LINE("WFConnection", "Secondary/Unknown", "Consistent/DUnknown", "r-----");
static const char *const TARGET =
	HEAD LINE("SyncTarget", "Secondary/Primary", "Inconsistent/UpToDate", "r-----") SYNC;
static const char *const ALONE = HEAD LINE("StandAlone", "Primary/Unknown", "UpToDate/DUnknown", "r-----");
static const char *const FROZEN = HEAD LINE("WFConnection", "Primary/Unknown", "UpToDate/DUnknown", "s-----");
static const char *const FAILED_DISK =
	HEAD LINE("Connected", "Primary/Secondary", "Diskless/UpToDate", "r-----");

// The event between two states; "" for none.
static void expect_event(const char *from, const char *to, const char *expected)
{
	struct drbd_view nothing = { 0 };
	struct drbd_view before = look(&nothing, from, 1000), now = look(&before, to, 2000);
	char text[256];

	bool any = drbd_view_change(&before, &now, "a1", "b1", text, sizeof(text));
	assert_int_equal(any, expected[0] != '\0');
	if (any)
		assert_string_equal(text, expected);
	drbd_view_done(&before);
	drbd_view_done(&now);
}

static void changes_become_events(void **state)
{
	expect_event(GOOD, GOOD, "");
	expect_event(GOOD, LOST, "the replica on a1 lost its peer b1; it is UpToDate");
	expect_event(LOST, LOST, "");
	expect_event(BOOTED, GOOD, "the replica on a1 is connected to b1 and UpToDate");
	expect_event(LOST, TARGET, "the replica on a1 is being brought up to date from b1");
	expect_event(TARGET, TARGET, "");
	expect_event(TARGET, GOOD, "the replica on a1 has caught up with b1 and is UpToDate");
	expect_event(
		LOST, ALONE, "the replicas on a1 and b1 refuse each other: split brain, or another secret");
	expect_event(GOOD, FROZEN, "writes on a1 wait until it is sure that b1 is gone");
	expect_event(FROZEN, LOST, "writes on a1 go on");
	expect_event(GOOD, FAILED_DISK, "the replica on a1 is Diskless now, was UpToDate");
	expect_event(GOOD, HEAD, "the replica on a1 was taken down");
	expect_event(HEAD, HEAD, "");
}

static void expect_problems(const char *proc, const char *first, const char *second)
{
	struct drbd_view nothing = { 0 }, view = look(&nothing, proc, 0);
	const char *expected[] = { first, second };
	char text[512];

	for (size_t i = 0; i < 2; i++) {
		bool any = drbd_view_problem(&view, "a1", "b1", i, text, sizeof(text));
		assert_int_equal(any, expected[i] != NULL);
		if (any && !strstr(text, expected[i]))
			fail_msg("\"%s\" is not in \"%s\"", expected[i], text);
	}
	drbd_view_done(&view);
}

static void problems_are_named(void **state)
{
	expect_problems(GOOD, NULL, NULL);
	expect_problems(LOST, "not connected to b1 since 1970-01-01T00:00:00Z", NULL);
	expect_problems(BOOTED, "not connected to b1", "the replica on a1 is Consistent");
	expect_problems(TARGET, "from b1: 12 %", NULL);
	expect_problems(ALONE, "split brain", NULL);
	expect_problems(FROZEN, "writes on a1 wait", "not connected");
	expect_problems(FAILED_DISK, "the replica on a1 is Diskless", NULL);
	expect_problems(HEAD, "is not up", NULL);
}

static void since_when_is_kept(void **state)
{
	struct drbd_view nothing = { 0 };
	struct drbd_view good = look(&nothing, GOOD, 100), lost = look(&good, LOST, 200),
			 later = look(&lost, LOST, 300);

	assert_int_equal(good.lost_since, 0);
	assert_int_equal(later.lost_since, 200);
	assert_true(drbd_view_differs(&good, &lost));
	assert_false(drbd_view_differs(&lost, &later));
	drbd_view_done(&good);
	drbd_view_done(&lost);
	drbd_view_done(&later);
}

static void the_memory_survives_a_restart_but_no_reboot(void **state)
{
	struct error err = ERROR_INIT;
	struct drbd_view nothing = { 0 }, good = look(&nothing, GOOD, 100), lost = look(&good, LOST, 200),
			 again;
	char path[] = "/tmp/holdfast-test-record.XXXXXX";
	cleanup_free char *text = NULL;

	close(mkstemp(path));
	assert_ok(drbd_record_save(path, &lost, &err), err);
	assert_ok(drbd_record_load(path, &again, &err), err);
	assert_false(again.looked);
	assert_false(drbd_view_differs(&lost, &again));
	struct drbd_view after = look(&again, LOST, 300);
	assert_true(after.volumes[0].seen.current_at_loss);
	drbd_view_done(&after);
	drbd_view_done(&again);
	// The same file, of another boot.
	assert_ok(file_read(path, 4096, &text, NULL, &err), err);
	char *boot = strstr(text, "\"boot\":\"") + 8;
	*boot = *boot == '0' ? '1' : '0';
	assert_ok(file_write_atomic(path, text, strlen(text), 0600, &err), err);
	assert_fails(drbd_record_load(path, &again, &err), err, ERROR_NOT_FOUND);
	assert_ok(file_write_atomic(path, "{\"boot\":1}", 10, 0600, &err), err);
	assert_fails(drbd_record_load(path, &again, &err), err, ERROR_NOT_FOUND);
	unlink(path);
	drbd_view_done(&good);
	drbd_view_done(&lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_kernel_prints),
		cmocka_unit_test(does_not_guess),
		cmocka_unit_test(changes_become_events),
		cmocka_unit_test(problems_are_named),
		cmocka_unit_test(since_when_is_kept),
		cmocka_unit_test(the_memory_survives_a_restart_but_no_reboot),
	};
	return cmocka_run_group_tests_name("drbd-view", tests, NULL, NULL);
}
