// SPDX-License-Identifier: GPL-3.0-or-later
// What is pending between two definitions: every difference but those that hold at once, by disk and NIC and not by their place.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "proto/json.h"
#include "proto/pending.h"

static Holdfast__Vm *definition(const char *json)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *vm = proto_from_json_text(&holdfast__vm__descriptor, json, &err);
	assert_ok(vm ? 0 : -1, err);
	return (Holdfast__Vm *)vm;
}

static void assert_pending(const char *running, const char *wanted, const char *expected)
{
	Holdfast__Vm *now = definition(running), *then = definition(wanted);
	char **lines = NULL, all[2000] = "";
	size_t count = 0;
	pending_lines(now, then, &lines, &count);
	for (size_t i = 0; i < count; i++) {
		strncat(all, lines[i], sizeof(all) - strlen(all) - 1);
		strncat(all, "\n", sizeof(all) - strlen(all) - 1);
		free(lines[i]);
	}
	free(lines);
	assert_string_equal(all, expected);
	holdfast__vm__free_unpacked(now, NULL);
	holdfast__vm__free_unpacked(then, NULL);
}

static void test_nothing(void **state)
{
	assert_pending("{}", "{}", "");
	assert_pending("{\"plugged\":{\"boot_memory_mib\":64}}", "{}", "");
	assert_pending("{\"target\":\"off\",\"restart_limit\":3,\"offline_action\":\"save\"}",
		"{\"target\":\"running\",\"restart_limit\":5,\"offline_action\":\"turn-off\"}", "");
	assert_pending("{\"control\":null}", "{\"control\":{\"cpu_weight\":50,\"memory_floor_mib\":10}}", "");
	assert_pending("{\"health\":{\"on_panic\":\"keep\"}}", "{}", "");
}

static void test_fields(void **state)
{
	assert_pending("{\"cpus\":2,\"memory_mib\":256}", "{\"cpus\":4,\"memory_mib\":512}",
		"virtual processors: 2 now, 4 at the next start\nmemory: 256 MiB now, 512 MiB at the next "
		"start\n");
	assert_pending("{}", "{\"control\":{\"cpus_max\":4}}",
		"most virtual processors: 0 now, 4 at the next start\n");
	assert_pending("{\"health\":{\"watchdog\":true}}", "{}", "watchdog: yes now, no at the next start\n");
	assert_pending(
		"{\"append\":\"quiet\"}", "{}", "kernel arguments: quiet now, none at the next start\n");
	assert_pending("{\"firmware\":\"bios\"}", "{\"firmware\":\"uefi\"}",
		"firmware: bios now, uefi at the next start\n");
}

// A field of a later version is compared too: no list has to name it.
static void test_every_field_counts(void **state)
{
	const ProtobufCMessageDescriptor *type = &holdfast__vm__descriptor;
	Holdfast__Vm empty = HOLDFAST__VM__INIT;
	size_t numbers = 0;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		Holdfast__Vm changed = HOLDFAST__VM__INIT;
		char **lines = NULL;
		size_t count = 0;
		if (field->label == PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_UINT32 ||
			!strncmp(field->name, "restart_", 8))
			continue;
		*(uint32_t *)((char *)&changed + field->offset) = 77;
		pending_lines(&empty, &changed, &lines, &count);
		assert_int_equal(count, 1);
		assert_non_null(strstr(lines[0], "77 at the next start"));
		free(lines[0]);
		free(lines);
		numbers++;
	}
	assert_true(numbers >= 2);
}

static void test_devices(void **state)
{
	const char *two = "{\"disks\":[{\"name\":\"disk0\",\"volume\":1},{\"name\":\"disk1\",\"volume\":2}]}";
	assert_pending(two, "{\"disks\":[{\"name\":\"disk1\",\"volume\":2,\"weight\":9}]}",
		"disk disk0: removed at the next start\n");
	assert_pending("{\"plugged\":{},\"disks\":[{\"name\":\"gone-0\"},{\"name\":\"disk1\",\"volume\":2}]}",
		"{\"disks\":[{\"name\":\"disk1\",\"volume\":2},{\"name\":\"data\",\"volume\":3}]}",
		"disk data: added at the next start\n");
	assert_pending("{\"disks\":[{\"name\":\"d\",\"volume\":1}]}",
		"{\"disks\":[{\"name\":\"d\",\"volume\":1,\"bus\":\"scsi\"}]}",
		"disk d: bus: auto now, scsi at the next start\n");
	assert_pending("{\"nics\":[{\"network\":\"user\",\"mac\":\"52:54:00:00:00:01\",\"name\":\"nic0\"}]}",
		"{\"nics\":[{\"network\":\"lan\",\"mac\":\"52:54:00:00:00:02\",\"name\":\"nic0\"}]}",
		"NIC nic0 on network lan: added at the next start\nNIC nic0: removed at the next start\n");
}

static void assert_refused(const char *before, const char *after, const char *why)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm *one = definition(before), *other = definition(after);
	int result = pending_check_identity(one, other, &err);
	if (why) {
		assert_int_equal(result, -1);
		assert_non_null(strstr(err.message, why));
	} else {
		assert_ok(result, err);
	}
	holdfast__vm__free_unpacked(one, NULL);
	holdfast__vm__free_unpacked(other, NULL);
}

static void test_identity(void **state)
{
	const char *vm =
		"{\"name\":\"v\",\"group\":\"g\",\"disks\":[{\"name\":\"a\",\"volume\":1,\"size_bytes\":5}]}";
	assert_refused(vm, vm, NULL);
	assert_refused(vm, "{\"name\":\"v\",\"group\":\"h\"}", "group");
	assert_refused(vm, "{\"name\":\"v\",\"group\":\"g\",\"plugged\":{}}", "plugged");
	assert_refused(
		vm, "{\"name\":\"v\",\"group\":\"g\",\"disks\":[{\"name\":\"b\",\"volume\":2}]}", "volume 2");
	assert_refused(vm,
		"{\"name\":\"v\",\"group\":\"g\",\"disks\":[{\"name\":\"a\",\"volume\":1,\"size_bytes\":6}]}",
		"volume grow");
}

static void test_same(void **state)
{
	Holdfast__Vm *one = definition("{\"name\":\"v\",\"target\":\"off\"}");
	Holdfast__Vm *other = definition("{\"name\":\"v\",\"target\":\"running\"}");
	assert_true(pending_same(one, other));
	other->cpus = 2;
	assert_false(pending_same(one, other));
	holdfast__vm__free_unpacked(one, NULL);
	holdfast__vm__free_unpacked(other, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_every_field_counts),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
