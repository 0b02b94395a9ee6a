// SPDX-License-Identifier: GPL-3.0-or-later
// The heads of images, bit by bit where it matters: what names another file is refused, and nothing is guessed.
#include "tests/unit/unit.h"

#include <string.h>
#include "hypervisor/image-check.h"

#define RAW HOLDFAST__IMAGE_FORMAT__IMAGE_RAW
#define QCOW2 HOLDFAST__IMAGE_FORMAT__IMAGE_QCOW2
#define VHDX HOLDFAST__IMAGE_FORMAT__IMAGE_VHDX
#define VMDK HOLDFAST__IMAGE_FORMAT__IMAGE_VMDK

static uint8_t head[IMAGE_HEAD_BYTES];

static int check(Holdfast__ImageFormat format, struct error *err)
{
	error_clear(err);
	return image_check_head(head, sizeof(head), 1 << 20, format, err);
}

static void make_qcow2(void)
{
	memset(head, 0, sizeof(head));
	memcpy(head, "QFI\xfb\0\0\0\3", 8);
	head[23] = 16; // cluster_bits
	head[28] = 1; // size
}

static void make_vmdk(const char *descriptor)
{
	memset(head, 0, sizeof(head));
	memcpy(head, "KDMV\1", 5);
	head[13] = 1; // capacity
	head[28] = 1; // descriptor at sector 1, 20 of them
	head[36] = 20;
	memcpy(head + 512, descriptor, strlen(descriptor));
}

static void a_plain_qcow2_is_taken(void **state)
{
	struct error err = ERROR_INIT;
	make_qcow2();
	assert_ok(check(QCOW2, &err), err);
	head[79] = 1; // dirty
	assert_ok(check(QCOW2, &err), err);
	head[7] = 2; // version 2 has no feature bits
	assert_ok(check(QCOW2, &err), err);
}

static void a_qcow2_that_names_files_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	for (size_t i = 8; i < 16; i++) { // any bit of the backing file's offset
		make_qcow2();
		head[i] = 0x80;
		assert_fails(check(QCOW2, &err), err, ERROR_UNSAFE);
	}
	make_qcow2();
	head[79] = 4;
	assert_fails(check(QCOW2, &err), err, ERROR_UNSAFE);
	assert_non_null(strstr(err.message, "another file"));
}

static void an_unknown_or_broken_qcow2_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	for (size_t i = 72; i < 79; i++) {
		make_qcow2();
		head[i] = 1; // a feature of tomorrow
		assert_fails(check(QCOW2, &err), err, ERROR_USAGE);
	}
	make_qcow2();
	head[79] = 2; // corrupt
	assert_fails(check(QCOW2, &err), err, ERROR_USAGE);
	make_qcow2();
	head[35] = 1; // encrypted
	assert_fails(check(QCOW2, &err), err, ERROR_USAGE);
	make_qcow2();
	head[23] = 30; // cluster size
	assert_fails(check(QCOW2, &err), err, ERROR_USAGE);
	make_qcow2();
	head[7] = 4; // version
	assert_fails(check(QCOW2, &err), err, ERROR_USAGE);
	make_qcow2();
	assert_fails(image_check_head(head, 50, 50, QCOW2, &err), err, ERROR_USAGE);
}

static void a_vmdk_of_one_file_is_taken(void **state)
{
	struct error err = ERROR_INIT;
	make_vmdk("# Disk DescriptorFile\ncreateType=\"monolithicSparse\"\n");
	assert_ok(check(VMDK, &err), err);
	make_vmdk("# Disk DescriptorFile\ncreateType=\"streamOptimized\"\n");
	assert_ok(check(VMDK, &err), err);
}

static void a_vmdk_that_names_files_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	make_vmdk("createType=\"monolithicFlat\"\nRW 8 FLAT \"/etc/passwd\" 0\n");
	assert_fails(check(VMDK, &err), err, ERROR_UNSAFE);
	make_vmdk("createType=\"monolithicSparse\"\nparentfilenamehint=\"/etc/passwd\"\n");
	assert_fails(check(VMDK, &err), err, ERROR_UNSAFE);
	make_vmdk("createType=\"monolithicSparse\"\n");
	head[13] = 0; // no capacity
	assert_fails(check(VMDK, &err), err, ERROR_UNSAFE);
	make_vmdk("createType=\"monolithicSparse\"\n");
	head[35] = 0x40; // a descriptor far away
	assert_fails(check(VMDK, &err), err, ERROR_UNSAFE);
	memset(head, 0, sizeof(head));
	const char *text = "# Disk DescriptorFile\nRW 8 FLAT \"/etc/passwd\" 0\n";
	memcpy(head, text, strlen(text));
	assert_fails(check(VMDK, &err), err, ERROR_UNSAFE);
	memcpy(head, "COWD", 4);
	assert_fails(check(VMDK, &err), err, ERROR_USAGE);
}

static void formats_are_not_guessed(void **state)
{
	struct error err = ERROR_INIT;
	make_qcow2();
	head[8] = 1; // whatever it names, as raw it is data
	assert_ok(check(RAW, &err), err);
	assert_fails(check(VHDX, &err), err, ERROR_USAGE);
	assert_fails(check(VMDK, &err), err, ERROR_USAGE);
	memcpy(head, "vhdxfile", 8);
	assert_ok(check(VHDX, &err), err);
	assert_fails(check((Holdfast__ImageFormat)9, &err), err, ERROR_USAGE);
	assert_fails(image_check_head(head, 0, 0, RAW, &err), err, ERROR_USAGE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_plain_qcow2_is_taken),
	cmocka_unit_test(a_qcow2_that_names_files_is_refused),
	cmocka_unit_test(an_unknown_or_broken_qcow2_is_refused),
	cmocka_unit_test(a_vmdk_of_one_file_is_taken),
	cmocka_unit_test(a_vmdk_that_names_files_is_refused),
	cmocka_unit_test(formats_are_not_guessed),
};

UNIT_MAIN(tests)
