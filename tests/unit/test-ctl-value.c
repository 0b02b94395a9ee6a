// SPDX-License-Identifier: GPL-3.0-or-later
// What holdfast takes as a size, a time, an address, and how it shows them.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "ctl/value.h"

static void sizes_are_taken_exactly(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "1048576", 1048576 },
		{ "64M", 64ull << 20 },
		{ "64MiB", 64ull << 20 },
		{ "1G", 1ull << 30 },
		{ "1g", 1ull << 30 },
		{ "3K", 3072 },
		{ "2TiB", 2ull << 40 },
		{ "1P", 1ull << 50 },
		{ "18446744073709551615", UINT64_MAX },
		{ "16777215T", 16777215ull << 40 },
	};
	struct error err = ERROR_INIT;
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_ok(value_size(good[i].text, &bytes, &err), err);
		if (bytes != good[i].bytes)
			fail_msg("%s is %llu", good[i].text, (unsigned long long)bytes);
	}
}

static void wrong_sizes_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"M",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1 M",
		"64MB",
		"1kB",
		"64X",
		"64Mi",
		"64MiBs",
		"1.5G",
		"0x10",
		"1e3",
		"18446744073709551616",
		"16777216T",
		"99999999999999999999999",
		"16384P",
	};
	struct error err = ERROR_INIT;
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_fails(value_size(bad[i], &bytes, &err), err, ERROR_USAGE);
		assert_null(strchr(err.message, '\n'));
	}
	assert_fails(value_size("64MB", &bytes, &err), err, ERROR_USAGE);
	assert_non_null(strstr(err.message, "MiB"));
}

static void memory_is_mib_unless_it_says_more(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t mib;

	assert_ok(value_memory("128", &mib, &err), err);
	assert_true(mib == 128);
	assert_ok(value_memory("2G", &mib, &err), err);
	assert_true(mib == 2048);
	assert_ok(value_memory("512MiB", &mib, &err), err);
	assert_true(mib == 512);
	assert_fails(value_memory("512K", &mib, &err), err, ERROR_USAGE);
	assert_fails(value_memory("0", &mib, &err), err, ERROR_USAGE);
	assert_fails(value_memory("0G", &mib, &err), err, ERROR_USAGE);
	assert_fails(value_memory("", &mib, &err), err, ERROR_USAGE);
	assert_fails(value_memory("17592186044416", &mib, &err), err, ERROR_USAGE);
}

static void spans_have_units(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t s;

	assert_ok(value_seconds("90", &s, &err), err);
	assert_true(s == 90);
	assert_ok(value_seconds("5m", &s, &err), err);
	assert_true(s == 300);
	assert_ok(value_seconds("2h", &s, &err), err);
	assert_true(s == 7200);
	assert_ok(value_seconds("1d", &s, &err), err);
	assert_true(s == 86400);
	assert_fails(value_seconds("1w", &s, &err), err, ERROR_USAGE);
	assert_fails(value_seconds("5 m", &s, &err), err, ERROR_USAGE);
	assert_fails(value_seconds("-5m", &s, &err), err, ERROR_USAGE);
	assert_fails(value_seconds("300000000000000000d", &s, &err), err, ERROR_USAGE);
}

static void addresses_and_hosts(void **state)
{
	struct error err = ERROR_INIT;
	unsigned port = 7630;
	char host[64];

	assert_ok(value_address("10.0.0.1", &err), err);
	assert_ok(value_address("fe80::1", &err), err);
	assert_fails(value_address("10.0.0.256", &err), err, ERROR_USAGE);
	assert_fails(value_address("a1", &err), err, ERROR_USAGE);

	assert_ok(value_host("10.0.0.1", host, sizeof(host), &port, &err), err);
	assert_string_equal(host, "10.0.0.1");
	assert_int_equal(port, 7630);
	assert_ok(value_host("w.example:5403", host, sizeof(host), &port, &err), err);
	assert_string_equal(host, "w.example");
	assert_int_equal(port, 5403);
	assert_ok(value_host("[fd00::1]:99", host, sizeof(host), &port, &err), err);
	assert_string_equal(host, "fd00::1");
	assert_int_equal(port, 99);
	assert_ok(value_host("fd00::1", host, sizeof(host), &port, &err), err);
	assert_string_equal(host, "fd00::1");
	assert_int_equal(port, 99);
	static const char *const bad[] = { "", ":1", "a:0", "a:65536", "a:b", "a b", "[::1", "[::1]x", "a/b",
		"a:" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(value_host(bad[i], host, sizeof(host), &port, &err), err, ERROR_USAGE);
	memset(host, 'a', sizeof(host));
	char too_long[100];
	memset(too_long, 'a', sizeof(too_long));
	too_long[99] = '\0';
	assert_fails(value_host(too_long, host, sizeof(host), &port, &err), err, ERROR_USAGE);
}

#define NOW 1763874000 // 2025-11-23T05:00:00Z

static void since_takes_what_people_type(void **state)
{
	static const struct {
		const char *text, *utc;
	} good[] = {
		{ "10m", "2025-11-23T04:50:00.000Z" },
		{ "1d", "2025-11-22T05:00:00.000Z" },
		{ "2025-11-23T04:00:00Z", "2025-11-23T04:00:00.000Z" },
		{ "2025-11-23T04:00:00.25Z", "2025-11-23T04:00:00.250Z" },
		{ "2025-11-23T04:00:00.123456+01:00", "2025-11-23T03:00:00.123Z" },
		{ "2025-11-23 04:00", "2025-11-23T02:00:00.000Z" }, // local: two hours east
		{ "2025-11-23", "2025-11-22T22:00:00.000Z" },
		{ "04:30", "2025-11-23T02:30:00.000Z" },
		{ "a1-17", "a1-17" },
	};
	static const char *const bad[] = {
		"",
		"yesterday",
		"25:00",
		"2025-13-01",
		"2025-02-31",
		"2025-11-23T04:00:00Q",
		"2025-11-23T04:00:00+25:00",
		"10",
		"10x",
		"2025-11-23T04:00:00.Z",
		"A1-17",
		"a1-",
	};
	struct error err = ERROR_INIT;
	char out[80];

	setenv("TZ", "EET-2", 1);
	tzset();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_ok(value_since(good[i].text, NOW, out, sizeof(out), &err), err);
		assert_string_equal(out, good[i].utc);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error_clear(&err);
		if (value_since(bad[i], NOW, out, sizeof(out), &err) == 0)
			fail_msg("\"%s\" was taken as %s", bad[i], out);
		assert_int_equal(err.code, ERROR_USAGE);
	}
}

static void values_are_shown_for_people(void **state)
{
	char out[VALUE_BYTES];

	assert_string_equal(value_show_size(out, 0), "0 B");
	assert_string_equal(value_show_size(out, 64ull << 20), "64 MiB");
	assert_string_equal(value_show_size(out, 3ull << 29), "1.5 GiB");
	assert_string_equal(value_show_size(out, UINT64_MAX), "16 EiB");
	assert_string_equal(value_show_ms(out, 0.44), "0.4 ms");
	assert_string_equal(value_show_ms(out, 312.4), "312 ms");
	assert_string_equal(value_show_ms(out, 2310), "2.31 s");
	assert_string_equal(value_show_ms(out, 125000), "2 min 5 s");
	assert_string_equal(value_show_seconds(out, 48), "48 s");
	assert_string_equal(value_show_seconds(out, 3725), "1 h 2 min");
	assert_string_equal(value_show_seconds(out, 2 * 86400 + 3600), "2 d 1 h");
	setenv("TZ", "EET-2", 1);
	tzset();
	assert_string_equal(value_show_time(out, "2025-11-23T04:00:00.123Z"), "2025-11-23 06:00:00.123");
	assert_string_equal(value_show_time(out, "nonsense"), "nonsense");
	assert_string_equal(value_show_time(out, ""), "");
}

static void the_nearest_word_is_meant(void **state)
{
	static const char *const verbs[] = { "create", "list", "show", "start", "stop", "move", "delete",
		NULL };

	assert_string_equal(value_nearest("mvoe", verbs), "move");
	assert_string_equal(value_nearest("creat", verbs), "create");
	assert_string_equal(value_nearest("del", verbs), "delete");
	assert_string_equal(value_nearest("lst", verbs), "list");
	assert_string_equal(value_nearest("strat", verbs), "start");
	assert_null(value_nearest("xyzzy", verbs));
	assert_null(value_nearest("", verbs));
	assert_null(value_nearest("a-word-that-is-much-longer-than-any-of-the-verbs-can-be", verbs));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sizes_are_taken_exactly),
	cmocka_unit_test(wrong_sizes_are_refused),
	cmocka_unit_test(memory_is_mib_unless_it_says_more),
	cmocka_unit_test(spans_have_units),
	cmocka_unit_test(addresses_and_hosts),
	cmocka_unit_test(since_takes_what_people_type),
	cmocka_unit_test(values_are_shown_for_people),
	cmocka_unit_test(the_nearest_word_is_meant),
};

UNIT_MAIN(tests)
