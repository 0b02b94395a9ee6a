// SPDX-License-Identifier: GPL-3.0-or-later
// The value of --nic, and the keys of --disk that say what bus it is on.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include "ctl/disk-option.h"
#include "ctl/nic-option.h"

static void a_nic_is_read(void **state)
{
	struct error err = ERROR_INIT;
	char plain[] = "user", full[] = "lan,model=e1000e,mac=52:54:00:aa:BB:0c";
	Holdfast__Nic nic = HOLDFAST__NIC__INIT;
	assert_ok(nic_option_parse(plain, &nic, &err), err);
	assert_string_equal(nic.network, "user");
	assert_int_equal(nic.model, HOLDFAST__NIC_MODEL__NIC_AUTO);
	assert_string_equal(nic.mac, "");
	assert_ok(nic_option_parse(full, &nic, &err), err);
	assert_string_equal(nic.network, "lan");
	assert_int_equal(nic.model, HOLDFAST__NIC_MODEL__NIC_E1000E);
	assert_string_equal(nic.mac, "52:54:00:aa:BB:0c");
}

static void what_is_no_nic_is_refused(void **state)
{
	static const char *const bad[] = { "", "LAN", "lan,", "lan,model", "lan,model=ne2000", "lan,mac=1",
		"lan,mac=01:00:5e:00:00:01", "lan,mac=52:54:00:aa:bb:cc:dd", "lan,mac=5254:00:aa:bb:cc::",
		"lan,speed=fast", ",model=e1000" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct error err = ERROR_INIT;
		Holdfast__Nic nic = HOLDFAST__NIC__INIT;
		char text[64];
		snprintf(text, sizeof(text), "%s", bad[i]);
		assert_fails(nic_option_parse(text, &nic, &err), err, ERROR_USAGE);
	}
}

static void a_disk_has_a_bus(void **state)
{
	struct error err = ERROR_INIT;
	char plain[] = "1G", scsi[] = "1G,bus=scsi", bad[] = "1G,bus=floppy";
	Holdfast__Disk disk = HOLDFAST__DISK__INIT;
	assert_ok(disk_option_parse(plain, &disk, &err), err);
	assert_int_equal(disk.bus, HOLDFAST__DISK_BUS__BUS_AUTO);
	assert_ok(disk_option_parse(scsi, &disk, &err), err);
	assert_int_equal(disk.bus, HOLDFAST__DISK_BUS__BUS_SCSI);
	assert_fails(disk_option_parse(bad, &disk, &err), err, ERROR_USAGE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_nic_is_read),
	cmocka_unit_test(what_is_no_nic_is_refused),
	cmocka_unit_test(a_disk_has_a_bus),
};
UNIT_MAIN(tests)
