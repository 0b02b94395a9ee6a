// SPDX-License-Identifier: GPL-3.0-or-later
// Definitions as DRBD resources: what is refused, what must never be missing from the text, room for metadata, and that DRBD's own parser
// takes it (where drbd-utils are installed).
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/spawn.h"
#include "storage/drbd-res.h"

#define MIB (1ull << 20)
#define PARSER "/usr/lib/drbd/drbdadm-84"

struct definition {
	Holdfast__Group group;
	Holdfast__Volume volumes[2], *volume_list[2];
	Holdfast__Replica replicas[2], *replica_list[2];
};

static char *text(const char *constant)
{
	return (char *)constant;
}

static int set_up(void **state)
{
	struct definition *def = calloc(1, sizeof(*def));

	*state = def;
	holdfast__group__init(&def->group);
	for (unsigned i = 0; i < 2; i++) {
		holdfast__volume__init(&def->volumes[i]);
		def->volumes[i].index = i;
		def->volumes[i].minor = 10 + i;
		def->volumes[i].size_bytes = (64 + i) * MIB;
		def->volume_list[i] = &def->volumes[i];
		holdfast__replica__init(&def->replicas[i]);
		def->replicas[i].node = text(i ? "b1" : "a1");
		def->replicas[i].address = text(i ? "fd00::12" : "10.0.0.1");
		def->replica_list[i] = &def->replicas[i];
	}
	def->group.name = text("web");
	def->group.port = 7790;
	def->group.n_volumes = def->group.n_replicas = 2;
	def->group.volumes = def->volume_list;
	def->group.replicas = def->replica_list;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

#define REFUSED_WITH(change)                                                             \
	do {                                                                             \
		change;                                                                  \
		assert_fails(drbd_res_check(&def->group, "a1", &err), err, ERROR_USAGE); \
		tear_down(state);                                                        \
		set_up(state);                                                           \
		def = *state;                                                            \
	} while (0)

static void bad_definitions_are_refused(void **state)
{
	struct definition *def = *state;
	struct error err = ERROR_INIT;

	assert_ok(drbd_res_check(&def->group, "a1", &err), err);
	assert_ok(drbd_res_check(&def->group, "b1", &err), err);
	assert_fails(drbd_res_check(&def->group, "c1", &err), err, ERROR_USAGE);
	REFUSED_WITH(def->group.name = text("all"));
	REFUSED_WITH(def->group.name = text("a\"; }"));
	REFUSED_WITH(def->group.n_replicas = 1);
	REFUSED_WITH(def->replicas[1].node = def->replicas[0].node);
	REFUSED_WITH(def->replicas[1].node = text("b1 {"));
	REFUSED_WITH(def->replicas[1].address = text("10.0.0.1; }"));
	REFUSED_WITH(def->replicas[1].address = text("host.example"));
	REFUSED_WITH(def->group.port = 0);
	REFUSED_WITH(def->group.port = 65536);
	REFUSED_WITH(def->group.n_volumes = 0);
	REFUSED_WITH(def->volumes[1].minor = 10);
	REFUSED_WITH(def->volumes[1].index = 0);
	REFUSED_WITH(def->volumes[1].minor = 1u << 20);
	REFUSED_WITH(def->volumes[1].size_bytes = 0);
	REFUSED_WITH(def->volumes[1].size_bytes = MIB + 512);
	REFUSED_WITH(def->volumes[1].size_bytes = 1ull << 60);
	REFUSED_WITH(def->group.secret = text("with\"quote"));
	REFUSED_WITH(
		def->group.secret = text("0123456789012345678901234567890123456789012345678901234567890123"));
}

static void what_safety_rests_on_is_always_there(void **state)
{
	struct definition *def = *state;
	cleanup_free char *res = drbd_res_render(&def->group, "pool");

	assert_non_null(strstr(res, "fencing resource-and-stonith;"));
	assert_non_null(strstr(res, "protocol C;"));
	assert_null(strstr(res, "allow-two-primaries"));
	assert_non_null(strstr(res, "fence-peer \"/usr/lib/holdfast/drbd-fence-peer\""));
	assert_non_null(strstr(res, "after-sb-1pri disconnect;"));
	assert_non_null(strstr(res, "disk \"/dev/pool/web.1\";"));
	assert_non_null(strstr(res, "address ipv6 [fd00::12]:7790;"));
	assert_null(strstr(res, "shared-secret"));
	def->group.secret = text("abc123");
	cleanup_free char *with_secret = drbd_res_render(&def->group, "pool");
	assert_non_null(strstr(with_secret, "cram-hmac-alg sha256;\n\t\tshared-secret \"abc123\";"));
}

// drbdadm looks at the host's addresses too if it is not told to leave that.
static int parse(const char *file, const char *res, struct spawn_output *output, struct error *err)
{
	char whole[8192];
	int used = snprintf(whole, sizeof(whole), "global { disable-ip-verification; }\n%s", res);

	assert_in_range(used, 0, sizeof(whole) - 1);
	if (file_write_atomic(file, whole, (size_t)used, 0600, err) < 0)
		return -1;
	return spawn_run_blocking((const char *[]){ PARSER, "-c", file, "dump", NULL }, 10000, output, err);
}

static void drbd_parses_it(void **state)
{
	static const char *const names[] = { "net", "on", "disk", "resource", "volume", "a-1",
		"web" }; // keywords are only names
	struct definition *def = *state;
	struct error err = ERROR_INIT;
	char file[] = "/tmp/holdfast-test-res.XXXXXX";

	if (access(PARSER, X_OK) < 0)
		skip();
	close(mkstemp(file));
	setenv("__DRBD_NODE__", "b1", 1);
	def->group.secret = text("abc123");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct spawn_output output = { 0 };
		def->group.name = text(names[i]);
		cleanup_free char *res = drbd_res_render(&def->group, "pool");
		assert_ok(parse(file, res, &output, &err), err);
		assert_non_null(strstr(output.out, "resource-and-stonith"));
		assert_non_null(strstr(output.out, "[fd00::12]:7790"));
		spawn_output_done(&output);
	}
	// It is the parser that says yes: it can say no.
	assert_fails(parse(file, "resource x { nonsense; }", NULL, &err), err, ERROR_FAILED);
	unlink(file);
}

// DRBD 8.4: superblock 4 KiB, activity log 32 KiB, a bit per 4 KiB of the whole device rounded up to 4 KiB.
static void metadata_has_room(void **state)
{
	static const uint64_t sizes[] = { MIB, 32 * MIB, 128 * MIB, 129 * MIB, 4096 * MIB, 1000000 * MIB };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t backing = drbd_res_backing_bytes(sizes[i]);
		uint64_t bitmap_sectors =
			(backing / 512 + (1 << 18) - 1) / (1 << 18) * 8; // as drbdmeta does it
		assert_true(backing / 512 - (72 + bitmap_sectors) >= sizes[i] / 512);
		assert_true(backing < sizes[i] + sizes[i] / 1000 + MIB);
	}
}

static void the_peer_is_the_other_one(void **state)
{
	struct definition *def = *state;

	assert_string_equal(drbd_res_peer(&def->group, "a1"), "b1");
	assert_string_equal(drbd_res_peer(&def->group, "b1"), "a1");
	def->group.n_replicas = 0;
	assert_string_equal(drbd_res_peer(&def->group, "b1"), "");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(bad_definitions_are_refused),
		CASE(what_safety_rests_on_is_always_there),
		CASE(drbd_parses_it),
		CASE(metadata_has_room),
		CASE(the_peer_is_the_other_one),
	};
	return cmocka_run_group_tests_name("drbd-res", tests, NULL, NULL);
}
