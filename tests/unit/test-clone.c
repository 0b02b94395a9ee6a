// SPDX-License-Identifier: GPL-3.0-or-later
// What of a definition a copy of its VM gets, what a template may not lose, and what growing a disk means for its volume.
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include "proto/clone.h"
#include "proto/disk.h"
#include "proto/json.h"

static const char template_json[] =
	"{\"group\":{\"name\":\"g\",\"volumes\":[{\"name\":\"state\"},"
	"{\"index\":1,\"name\":\"t.disk0\",\"size_bytes\":8388608},{\"index\":2,\"name\":\"c.disk0\",\"size_bytes\":8388608}]},"
	"\"vms\":[{\"name\":\"t\",\"group\":\"g\",\"uuid\":\"u\",\"template\":true,\"memory_mib\":64,"
	"\"disks\":[{\"name\":\"disk0\",\"volume\":1,\"size_bytes\":8388608}],"
	"\"nics\":[{\"network\":\"lan\",\"mac\":\"52:54:00:00:00:01\"}]},"
	"{\"name\":\"c\",\"group\":\"g\",\"disks\":[{\"name\":\"disk0\",\"volume\":2,"
	"\"size_bytes\":8388608,\"format\":\"qcow2\",\"parent\":\"t.disk0\"}]}]}";

static Holdfast__GroupSpec *spec_of(const char *json)
{
	struct error err = ERROR_INIT;
	ProtobufCMessage *spec = proto_from_json_text(&holdfast__group_spec__descriptor, json, &err);

	assert_ok(spec ? 0 : -1, err);
	return (Holdfast__GroupSpec *)spec;
}

static Holdfast__VmClone wish_of(const char *name, const char *clone, bool linked)
{
	Holdfast__VmClone wish = HOLDFAST__VM_CLONE__INIT;

	wish.name = (char *)name;
	wish.clone = (char *)clone;
	wish.linked = linked;
	return wish;
}

static void test_full(void **state)
{
	Holdfast__GroupSpec *spec = spec_of(template_json);
	Holdfast__VmClone wish = wish_of("t", "new", false);
	struct error err = ERROR_INIT;
	Holdfast__Vm *vm = NULL;

	assert_ok(clone_definition(spec, &wish, &vm, &err), err);
	assert_string_equal(vm->name, "new");
	assert_string_equal(vm->uuid, "");
	assert_string_equal(vm->nics[0]->mac, "");
	assert_string_equal(vm->nics[0]->network, "lan");
	assert_false(vm->template_);
	assert_int_equal(vm->memory_mib, 64);
	assert_int_equal(vm->disks[0]->volume, 0);
	assert_string_equal(vm->disks[0]->parent, "");
	holdfast__vm__free_unpacked(vm, NULL);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static void test_linked(void **state)
{
	Holdfast__GroupSpec *spec = spec_of(template_json);
	Holdfast__VmClone wish = wish_of("t", "new", true);
	struct error err = ERROR_INIT;
	Holdfast__Vm *vm = NULL;

	assert_ok(clone_definition(spec, &wish, &vm, &err), err);
	assert_string_equal(vm->disks[0]->parent, "t.disk0");
	assert_int_equal(vm->disks[0]->format, HOLDFAST__DISK_FORMAT__FORMAT_QCOW2);
	assert_int_equal(vm->disks[0]->parent_format, HOLDFAST__DISK_FORMAT__FORMAT_RAW);
	holdfast__vm__free_unpacked(vm, NULL);
	// One that is no template would change under its clones.
	spec->vms[0]->template_ = false;
	assert_int_equal(clone_definition(spec, &wish, &vm, &err), -1);
	assert_int_equal(err.code, ERROR_UNSAFE);
	error_clear(&err);
	// No chain of parents.
	wish = wish_of("c", "new", true);
	spec->vms[1]->template_ = true;
	assert_int_equal(clone_definition(spec, &wish, &vm, &err), -1);
	assert_int_equal(err.code, ERROR_USAGE);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static void test_template_is_used(void **state)
{
	Holdfast__GroupSpec *spec = spec_of(template_json);
	struct error err = ERROR_INIT;
	Holdfast__Vm *after = (Holdfast__Vm *)proto_copy(&spec->vms[0]->base);

	assert_string_equal(clone_user(spec, "t"), "c");
	assert_null(clone_user(spec, "c"));
	assert_ok(clone_check_set(spec, spec->vms[0], after, &err), err);
	holdfast__disk__free_unpacked(after->disks[--after->n_disks], NULL);
	assert_int_equal(clone_check_set(spec, spec->vms[0], after, &err), -1);
	assert_int_equal(err.code, ERROR_UNSAFE);
	error_clear(&err);
	free(spec->vms[1]->disks[0]->parent);
	spec->vms[1]->disks[0]->parent = strdup("tt.disk0"); // another template with a name that begins like this one's
	assert_null(clone_user(spec, "t"));
	assert_ok(clone_check_set(spec, spec->vms[0], after, &err), err);
	holdfast__vm__free_unpacked(after, NULL);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static void test_imported(void **state)
{
	Holdfast__GroupSpec *spec = spec_of(template_json);
	Holdfast__VmImport wish = HOLDFAST__VM_IMPORT__INIT;
	struct error err = ERROR_INIT;
	Holdfast__Vm *exported = NULL, *vm;

	assert_ok(clone_exported(spec->vms[0], &exported, &err), err);
	assert_string_equal(exported->group, "");
	assert_int_equal(exported->disks[0]->volume, 0);
	vm = (Holdfast__Vm *)proto_copy(&exported->base);
	wish.group = (char *)"other";
	wish.keep_identity = true;
	assert_ok(clone_imported(vm, &wish, &err), err);
	assert_string_equal(vm->name, "t");
	assert_string_equal(vm->group, "other");
	assert_string_equal(vm->uuid, "u");
	assert_false(vm->template_);
	wish.keep_identity = false;
	wish.name = (char *)"new";
	assert_ok(clone_imported(vm, &wish, &err), err);
	assert_string_equal(vm->name, "new");
	assert_string_equal(vm->uuid, "");
	assert_string_equal(vm->nics[0]->mac, "");
	wish.name = (char *)"../etc";
	assert_int_equal(clone_imported(vm, &wish, &err), -1);
	holdfast__vm__free_unpacked(vm, NULL);
	holdfast__vm__free_unpacked(exported, NULL);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static void test_grow(void **state)
{
	Holdfast__GroupSpec *spec = spec_of(template_json);
	struct error err = ERROR_INIT;
	const Holdfast__Disk *disk;
	Holdfast__Vm *vm;

	assert_ok(disk_grow(spec, "t.disk0", 9 * 1048576 - 1, &vm, &disk, &err), err);
	assert_string_equal(vm->name, "t");
	assert_int_equal(disk->size_bytes, 9 * 1048576);
	assert_int_equal(spec->group->volumes[1]->size_bytes, 9 * 1048576);
	assert_int_equal(disk_grow(spec, "t.disk0", 8 * 1048576, &vm, &disk, &err), -1);
	assert_int_equal(err.code, ERROR_UNSAFE);
	error_clear(&err);
	assert_int_equal(disk_grow(spec, "state", 1ull << 30, &vm, &disk, &err), -1);
	assert_int_equal(err.code, ERROR_NOT_FOUND);
	error_clear(&err);
	// The volume of a qcow2 disk has room for more than the disk.
	assert_ok(disk_grow(spec, "c.disk0", 64 * 1048576, &vm, &disk, &err), err);
	assert_true(spec->group->volumes[2]->size_bytes > 64 * 1048576);
	assert_int_equal(spec->group->volumes[2]->size_bytes, disk_volume_bytes(disk));
	holdfast__group_spec__free_unpacked(spec, NULL);
}

static void test_check(void **state)
{
	Holdfast__Disk disk = HOLDFAST__DISK__INIT;
	struct error err = ERROR_INIT;

	disk.name = (char *)"disk0";
	disk.thin = true;
	assert_ok(disk_check(&disk, HOLDFAST__STORAGE_KIND__STORAGE_FILE, &err), err);
	assert_int_equal(disk_check(&disk, HOLDFAST__STORAGE_KIND__STORAGE_DRBD, &err), -1);
	error_clear(&err);
	disk.thin = false;
	disk.parent = (char *)"/images/base";
	assert_int_equal(disk_check(&disk, HOLDFAST__STORAGE_KIND__STORAGE_FILE, &err), -1); // raw
	error_clear(&err);
	disk.format = HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	assert_ok(disk_check(&disk, HOLDFAST__STORAGE_KIND__STORAGE_DRBD, &err), err);
	assert_true(disk_is_thin(&disk, HOLDFAST__STORAGE_KIND__STORAGE_FILE));
	assert_false(disk_is_thin(&disk, HOLDFAST__STORAGE_KIND__STORAGE_DRBD));
	disk.parent = (char *)"base";
	assert_int_equal(disk_check(&disk, HOLDFAST__STORAGE_KIND__STORAGE_FILE, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_linked),
		cmocka_unit_test(test_template_is_used),
		cmocka_unit_test(test_imported),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
