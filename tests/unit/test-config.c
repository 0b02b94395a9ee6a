// SPDX-License-Identifier: GPL-3.0-or-later
// The node's configuration: defaults, what is written is read back, and each mistake is named.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/config.h"

static char path[] = "/tmp/test-config.XXXXXX";

static int load(const char *text, struct config *config, struct error *err)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return config_load(path, config, err);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	return unlink(path);
}

static void a_missing_file_means_the_defaults(void **state)
{
	struct error err = ERROR_INIT;
	struct config config;
	assert_ok(config_load("/nonexistent/holdfast.conf", &config, &err), err);
	assert_string_equal(config.accel, "auto");
	assert_string_equal(config.pool, "holdfast");
	assert_string_equal(config.qemu, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(config.site, "");
	assert_int_equal(config.uid_base, 2000000);
	assert_int_equal(config.memory_reserve_mib, 256);
	config_done(&config);
}

static void what_is_saved_is_loaded(void **state)
{
	struct error err = ERROR_INIT;
	struct config config, again;
	assert_ok(
		load("[node]\nname=a1\nsite=a\naddress=10.0.0.1\n[hypervisor]\naccel=tcg\nuid-base=3000000\n"
		     "memory-reserve-mib=128\n[migration]\nbandwidth=40\ncompression=off\n[storage]\npool="
		     "vg0\n",
			&config, &err),
		err);
	assert_string_equal(config.node, "a1");
	assert_int_equal(config.uid_base, 3000000);
	assert_ok(config_save(path, &config, &err), err);
	assert_ok(config_load(path, &again, &err), err);
	assert_string_equal(again.node, "a1");
	assert_int_equal(again.move_bandwidth_mib, 40);
	assert_string_equal(again.move_compression, "off");
	assert_string_equal(again.site, "a");
	assert_string_equal(again.address, "10.0.0.1");
	assert_string_equal(again.accel, "tcg");
	assert_string_equal(again.pool, "vg0");
	assert_int_equal(again.uid_base, 3000000);
	assert_int_equal(again.memory_reserve_mib, 128);
	config_done(&config);
	config_done(&again);
}

static void refused(const char *text, const char *named)
{
	struct error err = ERROR_INIT;
	struct config config;
	assert_fails(load(text, &config, &err), err, ERROR_USAGE);
	if (!strstr(err.message, named))
		fail_msg("\"%s\" does not name %s", err.message, named);
}

static void mistakes_are_named(void **state)
{
	refused("[node]\nnmae=a1\n", "nmae");
	refused("[nodes]\nname=a1\n", "nodes");
	refused("[node]\nname=A 1\n", "A 1");
	refused("[hypervisor]\naccel=fast\n", "fast");
	refused("[hypervisor]\nuid-base=-1\n", "uid-base");
	refused("[hypervisor]\nuid-base=0\n", "uid-base");
	refused("[hypervisor]\nmemory-reserve-mib=many\n", "many");
	refused("[hypervisor]\nqemu=qemu\n", "qemu");
	refused("name=a1\n", path);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_missing_file_means_the_defaults),
	cmocka_unit_test(what_is_saved_is_loaded),
	cmocka_unit_test(mistakes_are_named),
};

int main(void)
{
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
