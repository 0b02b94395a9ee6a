// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's command line and the check of definitions.
#include "tests/unit/unit.h"

#include <string.h>
#include "hypervisor/accel.h"
#include "hypervisor/qemu-args.h"
#include "hypervisor/qemu-devices.h"

static Holdfast__Disk disk0 = HOLDFAST__DISK__INIT, disk1 = HOLDFAST__DISK__INIT;
static Holdfast__Disk *disks[] = { &disk0, &disk1 };

static Holdfast__Vm make_vm(void)
{
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	disk0.name = (char *)"disk0";
	disk1.name = (char *)"disk1";
	vm.name = (char *)"db";
	vm.group = (char *)"web";
	vm.cpus = 2;
	vm.memory_mib = 192;
	vm.disks = disks;
	vm.n_disks = 2;
	return vm;
}

static char **build(const Holdfast__Vm *vm, bool kvm, bool incoming)
{
	static const uint64_t bytes[] = { 1 << 20, 3 << 20 };
	struct error err = ERROR_INIT;
	char **argv = NULL;
	struct qemu_params params = {
		.vm = vm,
		.qemu = "/usr/bin/qemu",
		.kvm = kvm,
		.incoming = incoming,
		.disk_bytes = bytes,
		.qmp_fd = 10,
		.agent_fd = 11,
		.console_fd = 12,
		.log_fd = 13,
		.serial_fds = { 14, 15, 16 },
		.guest_agent_fd = 20,
		.tap_fds = { 21, 22 },
		.cdrom_fds = { 23, 24 },
		.uefi_code_fd = 25,
		.uefi_vars_fd = 26,
	};
	assert_ok(qemu_args_build(&params, &argv, &err), err);
	return argv;
}

// The argument that follows OPTION, the Nth time that it is there; NULL: not there.
static const char *value(char **argv, const char *option, int nth)
{
	for (; *argv; argv++)
		if (!strcmp(*argv, option) && nth-- == 0)
			return argv[1];
	return NULL;
}

static bool has(char **argv, const char *option)
{
	for (; *argv; argv++)
		if (!strcmp(*argv, option))
			return true;
	return false;
}

// The device of this id; NULL: it is not there.
static json_t *find_device(char **argv, const char *id)
{
	const char *text;
	for (int nth = 0; (text = value(argv, "-device", nth)); nth++) {
		json_t *device = json_loads(text, 0, NULL);
		const char *its = json_string_value(json_object_get(device, "id"));
		if (its && !strcmp(its, id))
			return device;
		json_decref(device);
	}
	return NULL;
}

#define IS(device, key, text) assert_string_equal(json_string_value(json_object_get(device, key)), text)

static void a_guest_starts_stopped_and_in_a_sandbox(void **state)
{
	Holdfast__Vm vm = make_vm();
	char **argv = build(&vm, false, false);
	assert_string_equal(argv[0], "/usr/bin/qemu");
	assert_true(has(argv, "-S"));
	assert_true(has(argv, "-nodefaults"));
	assert_true(has(argv, "-no-user-config"));
	assert_string_equal(value(argv, "-sandbox", 0),
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	assert_string_equal(value(argv, "-machine", 0), "pc-q35-7.2,accel=tcg,memory-backend=ram0");
	assert_string_equal(value(argv, "-smp", 0), "2");
	assert_null(value(argv, "-incoming", 0));
	assert_null(value(argv, "-cpu", 0));
	assert_null(value(argv, "-kernel", 0));
	qemu_args_free(argv);
	argv = build(&vm, true, true);
	assert_string_equal(value(argv, "-machine", 0), "pc-q35-7.2,accel=kvm,memory-backend=ram0");
	assert_string_equal(value(argv, "-incoming", 0), "defer");
	assert_string_equal(value(argv, "-cpu", 0), "host");
	qemu_args_free(argv);
}

// A size that is a multiple of 256 KiB is what migration under TCG corrupts.
static void memory_under_tcg_is_never_a_multiple_of_256_kib(void **state)
{
	Holdfast__Vm vm = make_vm();
	char **argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-m", 0), "196616K");
	qemu_args_free(argv);
	argv = build(&vm, true, false);
	assert_string_equal(value(argv, "-m", 0), "196608K");
	qemu_args_free(argv);
	for (vm.memory_mib = 8; vm.memory_mib < 5000; vm.memory_mib += 7)
		assert_int_not_equal(qemu_ram_kib(&vm, false) % 256, 0);
}

static void disks_start_on_hold(void **state)
{
	Holdfast__Vm vm = make_vm();
	char **argv = build(&vm, false, false);
	json_t *hold = json_loads(value(argv, "-blockdev", 2), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(hold, "driver")), "blkdebug");
	assert_string_equal(json_string_value(json_object_get(hold, "node-name")), "hold1");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(hold, "image"), "size")), 3 << 20);
	json_t *errors = json_object_get(hold, "inject-error");
	assert_int_equal(json_array_size(errors), 4); // flush must work: a reopen flushes
	for (size_t i = 0; i < 4; i++) {
		json_t *error = json_array_get(errors, i);
		assert_string_not_equal(json_string_value(json_object_get(error, "iotype")), "flush");
		assert_true(json_is_false(json_object_get(error, "once")));
		assert_true(json_is_true(json_object_get(error, "immediately")));
	}
	json_decref(hold);
	assert_string_equal(value(argv, "-blockdev", 3),
		"{\"driver\":\"raw\",\"node-name\":\"disk1\",\"file\":\"hold1\"}");
	assert_null(value(argv, "-blockdev", 4));
	json_t *device = find_device(argv, "vdisk1");
	IS(device, "driver", "virtio-blk-pci");
	IS(device, "drive", "disk1");
	IS(device, "iothread", "io1");
	IS(device, "bus", "port1");
	IS(device, "werror", "stop");
	IS(device, "rerror", "stop");
	IS(device, "write-cache", "on");
	assert_int_equal(json_integer_value(json_object_get(device, "logical_block_size")), 512);
	assert_int_equal(json_integer_value(json_object_get(device, "physical_block_size")), 512);
	json_decref(device);
	assert_non_null(strstr(value(argv, "-object", 3), "\"io1\""));
	qemu_args_free(argv);
}

static void the_real_node_is_a_descriptor(void **state)
{
	json_t *node = qemu_real_node(1, true);
	assert_string_equal(json_string_value(json_object_get(node, "driver")), "host_device");
	assert_string_equal(json_string_value(json_object_get(node, "node-name")), "real1");
	assert_string_equal(json_string_value(json_object_get(node, "filename")), "/dev/fdset/65");
	assert_true(json_is_true(json_object_get(json_object_get(node, "cache"), "direct")));
	assert_null(json_object_get(json_object_get(node, "cache"), "no-flush")); // not: the default
	json_decref(node);
	node = qemu_real_node(0, false);
	assert_string_equal(json_string_value(json_object_get(node, "driver")), "file");
	json_decref(node);
}

static void sockets_and_serial_ports_are_descriptors(void **state)
{
	Holdfast__Vm vm = make_vm();
	Holdfast__Serial serial = HOLDFAST__SERIAL__INIT, *serials[] = { &serial };
	serial.path = (char *)"/dev/ttyS0";
	vm.serials = serials;
	vm.n_serials = 1;
	char **argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-chardev", 0), "socket,id=qmp,fd=10,server=on,wait=off");
	assert_string_equal(value(argv, "-chardev", 1), "socket,id=agent,fd=11,server=on,wait=off");
	assert_string_equal(value(argv, "-chardev", 2),
		"socket,id=console,fd=12,server=on,wait=off,logfile=/dev/fdset/1,logappend=on");
	assert_string_equal(value(argv, "-chardev", 3), "file,id=serial1,path=/dev/fdset/8,append=on");
	assert_string_equal(value(argv, "-add-fd", 1), "fd=14,set=8");
	for (char **argument = argv; *argument; argument++)
		assert_null(strstr(*argument, "/dev/ttyS0"));
	qemu_args_free(argv);
}

// Text of the administrator's is one argument of its own, whatever is in it.
static void a_kernel_line_stays_one_argument(void **state)
{
	Holdfast__Vm vm = make_vm();
	vm.kernel = (char *)"/boot/a,b=c";
	vm.append = (char *)"console=ttyS0 x=\"y z\",q -S";
	char **argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-kernel", 0), "/boot/a,b=c");
	assert_string_equal(value(argv, "-append", 0), "console=ttyS0 x=\"y z\",q -S");
	qemu_args_free(argv);
}

#define REFUSED(vm) assert_fails(qemu_definition_check(&(vm), &err), err, ERROR_USAGE)

static void bad_definitions_are_refused(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	assert_ok(qemu_definition_check(&vm, &err), err);
	vm.name = (char *)"a,b";
	REFUSED(vm);
	vm = make_vm();
	vm.cpus = 0;
	REFUSED(vm);
	vm = make_vm();
	vm.memory_mib = 4;
	REFUSED(vm);
	vm = make_vm();
	vm.kernel = (char *)"boot/vmlinuz";
	REFUSED(vm);
	vm.kernel = (char *)"/boot/vm\nlinuz";
	REFUSED(vm);
	vm = make_vm();
	vm.append = (char *)"quiet";
	REFUSED(vm);
	vm = make_vm();
	disk1.name = (char *)"disk0";
	REFUSED(vm);
	vm = make_vm();
	vm.uuid = (char *)"1234";
	REFUSED(vm);
	vm.uuid = (char *)"12345678-1234-1234-1234-12345678abcd,foo";
	REFUSED(vm);
	vm.uuid = (char *)"12345678-1234-1234-1234-12345678abcd";
	assert_ok(qemu_definition_check(&vm, &err), err);
	vm.restart_limit = 17;
	REFUSED(vm);
}

static void bad_nics_are_refused(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	Holdfast__Nic nic = HOLDFAST__NIC__INIT, *nics[] = { &nic };
	vm.nics = nics;
	vm.n_nics = 1;
	nic.network = (char *)"br0,x=y";
	REFUSED(vm);
	nic.network = (char *)"user";
	nic.mac = (char *)"52:54:00:11:22:33,x=y";
	REFUSED(vm);
	nic.mac = (char *)"52:54:00:11:22:33";
	assert_ok(qemu_definition_check(&vm, &err), err);
	char **argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-netdev", 0), "{\"type\":\"user\",\"id\":\"net0\"}");
	qemu_args_free(argv);
}

// ---- all kinds of guests

static void a_nic_on_a_network_is_a_tap(void **state)
{
	Holdfast__Vm vm = make_vm();
	Holdfast__Nic nic = HOLDFAST__NIC__INIT, other = HOLDFAST__NIC__INIT, *nics[] = { &nic, &other };
	vm.nics = nics;
	vm.n_nics = 2;
	nic.network = (char *)"user";
	other.network = (char *)"lan";
	other.mac = (char *)"52:54:00:11:22:33";
	char **argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-netdev", 1), "{\"type\":\"tap\",\"id\":\"net1\",\"fd\":\"22\"}");
	json_t *device = find_device(argv, "nic1");
	IS(device, "driver", "virtio-net-pci");
	IS(device, "bus", "port11");
	IS(device, "mac", "52:54:00:11:22:33");
	json_decref(device);
	qemu_args_free(argv);
}

static void windows_gets_devices_that_it_knows(void **state)
{
	Holdfast__Vm vm = make_vm();
	Holdfast__Nic nic = HOLDFAST__NIC__INIT, *nics[] = { &nic };
	nic.network = (char *)"user";
	vm.nics = nics;
	vm.n_nics = 1;
	vm.os = HOLDFAST__OS__OS_WINDOWS;
	char **argv = build(&vm, true, false);
	json_t *disk = find_device(argv, "vdisk1"), *card = find_device(argv, "nic0");
	IS(disk, "driver", "ide-hd");
	IS(disk, "bus", "ide.1");
	IS(card, "driver", "e1000e");
	assert_string_equal(value(argv, "-rtc", 0), "base=localtime,clock=host,driftfix=slew");
	assert_non_null(strstr(value(argv, "-cpu", 0), "host,hv-relaxed=on"));
	json_decref(disk);
	json_decref(card);
	qemu_args_free(argv);
	argv = build(&vm, false, false);
	assert_null(value(argv, "-cpu", 0)); // the enlightenments are KVM's
	qemu_args_free(argv);
}

static void an_old_system_gets_ide(void **state)
{
	Holdfast__Vm vm = make_vm();
	Holdfast__Cdrom cdrom = HOLDFAST__CDROM__INIT, empty = HOLDFAST__CDROM__INIT,
			*cdroms[] = { &cdrom, &empty };
	cdrom.path = (char *)"/iso/a.iso";
	vm.cdroms = cdroms;
	vm.n_cdroms = 2;
	vm.os = HOLDFAST__OS__OS_OTHER;
	vm.bits = 32;
	vm.machine = (char *)SHAPE_MACHINE_I440FX;
	char **argv = build(&vm, false, false);
	assert_non_null(strstr(value(argv, "-machine", 0), "pc-i440fx-7.2,"));
	assert_string_equal(value(argv, "-cpu", 0), "qemu32");
	json_t *disk = find_device(argv, "vdisk1"), *cd0 = find_device(argv, "cd0"),
	       *cd1 = find_device(argv, "cd1");
	IS(disk, "bus", "ide.0");
	assert_int_equal(json_integer_value(json_object_get(disk, "unit")), 1);
	IS(cd0, "bus", "ide.1");
	IS(cd0, "drive", "cdrom0");
	assert_null(json_object_get(cd1, "drive"));
	assert_null(find_device(argv, "port0"));
	json_decref(disk);
	json_decref(cd0);
	json_decref(cd1);
	qemu_args_free(argv);
	vm.bits = 0;
	vm.cpu_model = (char *)"Westmere";
	argv = build(&vm, false, false);
	assert_string_equal(value(argv, "-cpu", 0), "Westmere");
	qemu_args_free(argv);
}

static int boot_index(char **argv, const char *id)
{
	json_t *device = find_device(argv, id);
	json_t *index = json_object_get(device, "bootindex");
	int result = index ? (int)json_integer_value(index) : -1;
	json_decref(device);
	return result;
}

static void the_boot_order_is_kept(void **state)
{
	Holdfast__Vm vm = make_vm();
	Holdfast__Cdrom cdrom = HOLDFAST__CDROM__INIT, *cdroms[] = { &cdrom };
	char *order[] = { (char *)"network", (char *)"disk" };
	Holdfast__Nic nic = HOLDFAST__NIC__INIT, *nics[] = { &nic };
	nic.network = (char *)"user";
	vm.nics = nics;
	vm.n_nics = 1;
	vm.cdroms = cdroms;
	vm.n_cdroms = 1;
	char **argv = build(&vm, false, false);
	assert_true(boot_index(argv, "vdisk0") < boot_index(argv, "vdisk1"));
	assert_true(boot_index(argv, "vdisk1") < boot_index(argv, "cd0"));
	assert_true(boot_index(argv, "cd0") < boot_index(argv, "nic0"));
	qemu_args_free(argv);
	vm.boot_order = order;
	vm.n_boot_order = 2;
	argv = build(&vm, false, false);
	assert_true(boot_index(argv, "nic0") < boot_index(argv, "vdisk0"));
	assert_int_equal(boot_index(argv, "cd0"), -1);
	qemu_args_free(argv);
	vm.boot_order[1] = vm.boot_order[0];
	struct error err = ERROR_INIT;
	REFUSED(vm);
	order[1] = (char *)"floppy";
	REFUSED(vm);
}

static void uefi_comes_as_descriptors(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	vm.firmware = HOLDFAST__FIRMWARE__FIRMWARE_UEFI;
	char **argv = build(&vm, false, false);
	assert_non_null(strstr(value(argv, "-machine", 0), ",pflash0=code,pflash1=vars"));
	assert_string_equal(value(argv, "-add-fd", 0), "fd=25,set=2");
	assert_string_equal(value(argv, "-add-fd", 1), "fd=26,set=3");
	qemu_args_free(argv);
	vm.bits = 32;
	REFUSED(vm);
}

// Whatever is in it, no two devices of a VM have the same place.
static void no_place_is_taken_twice(void **state)
{
	static const char *const machines[] = { SHAPE_MACHINE_Q35, SHAPE_MACHINE_I440FX };
	for (int m = 0; m < 2; m++) {
		Holdfast__Vm vm = make_vm();
		Holdfast__Disk disk[QEMU_DISKS_MAX], *list[QEMU_DISKS_MAX];
		Holdfast__Nic nic[SHAPE_NICS_MAX], *nics[SHAPE_NICS_MAX];
		char places[64][64];
		size_t count = 0;
		vm.machine = (char *)machines[m];
		vm.n_disks = m ? 12 : QEMU_DISKS_MAX;
		vm.n_nics = SHAPE_NICS_MAX;
		vm.disks = list;
		vm.nics = nics;
		for (size_t i = 0; i < vm.n_disks; i++) {
			holdfast__disk__init(&disk[i]);
			list[i] = &disk[i];
		}
		for (size_t i = 0; i < vm.n_nics; i++) {
			holdfast__nic__init(&nic[i]);
			nic[i].model =
				i % 2 ? HOLDFAST__NIC_MODEL__NIC_E1000 : HOLDFAST__NIC_MODEL__NIC_VIRTIO;
			nics[i] = &nic[i];
		}
		json_t *all = qemu_fixed_devices(&vm), *device;
		size_t index;
		for (size_t i = 0; i < vm.n_disks; i++)
			json_array_append_new(all, qemu_disk_device(&vm, i));
		for (size_t i = 0; i < vm.n_nics; i++)
			json_array_append_new(all, qemu_nic_device(&vm, i));
		json_array_foreach (all, index, device) {
			const char *bus = json_string_value(json_object_get(device, "bus"));
			const char *addr = json_string_value(json_object_get(device, "addr"));
			snprintf(places[count], sizeof(places[0]), "%s %s", bus, addr ? addr : "");
			for (size_t k = 0; k < count; k++)
				assert_string_not_equal(places[k], places[count]);
			count++;
		}
		json_decref(all);
	}
}

static void parts_that_do_not_fit_are_refused(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	disk0.bus = HOLDFAST__DISK_BUS__BUS_IDE; // q35 has none
	REFUSED(vm);
	vm.machine = (char *)SHAPE_MACHINE_I440FX;
	assert_ok(qemu_definition_check(&vm, &err), err);
	disk0.bus = HOLDFAST__DISK_BUS__BUS_SATA;
	REFUSED(vm);
	disk0.bus = HOLDFAST__DISK_BUS__BUS_AUTO;
	vm.machine = (char *)"pc,accel=kvm";
	REFUSED(vm);
	vm = make_vm();
	vm.cpu_model = (char *)"host,+vmx";
	REFUSED(vm);
	vm = make_vm();
	vm.bits = 16;
	REFUSED(vm);
}

static void a_machine_is_chosen_once(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	vm.os = HOLDFAST__OS__OS_OTHER;
	assert_ok(shape_fill(&vm, &err), err);
	assert_string_equal(vm.machine, SHAPE_MACHINE_I440FX);
	vm.os = HOLDFAST__OS__OS_LINUX;
	assert_ok(shape_fill(&vm, &err), err);
	assert_string_equal(vm.machine, SHAPE_MACHINE_I440FX);
	free(vm.machine);
	vm = make_vm();
	assert_ok(shape_fill(&vm, &err), err);
	assert_string_equal(vm.machine, SHAPE_MACHINE_Q35);
	free(vm.machine);
}

static void check_disk_place(const Holdfast__Vm *vm, size_t i, const char *bus, const char *address)
{
	json_t *device = qemu_disk_device(vm, i);
	IS(device, "bus", bus);
	assert_int_equal(json_object_get(device, "addr") != NULL, address != NULL);
	if (address)
		IS(device, "addr", address);
	json_decref(device);
}

static size_t count_ports(const Holdfast__Vm *vm)
{
	json_t *list = qemu_fixed_devices(vm), *device;
	size_t index, count = 0;
	json_array_foreach (list, index, device)
		count += !strcmp(json_string_value(json_object_get(device, "driver")), "pcie-root-port");
	json_decref(list);
	return count;
}

static void ports_are_chosen_once(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__Vm vm = make_vm();
	assert_int_equal(count_ports(&vm), 16); // made before there was a choice
	check_disk_place(&vm, 1, "port1", NULL);
	assert_ok(shape_fill(&vm, &err), err);
	assert_int_equal(vm.disk_ports, SHAPE_DISK_PORTS_MIN);
	assert_int_equal(count_ports(&vm), vm.disk_ports + vm.nic_ports + 1); // and port 8
	vm.disk_ports = 1;
	vm.nic_ports = 0;
	assert_ok(shape_fill(&vm, &err), err);
	assert_int_equal(vm.disk_ports, 1);
	assert_int_equal(count_ports(&vm), 2);
	check_disk_place(&vm, 0, "port0", NULL);
	check_disk_place(&vm, 1, "pcie.0", "10.1");
	assert_true(qemu_disk_pluggable(&vm, 0));
	assert_false(qemu_disk_pluggable(&vm, 1));
	free(vm.machine);
	vm = make_vm();
	vm.machine = (char *)SHAPE_MACHINE_Q35; // made by an older version, and changed now
	assert_ok(shape_fill(&vm, &err), err);
	assert_int_equal(count_ports(&vm), 16);
}

static void kvm_needs_the_cpu_flag(void **state)
{
	assert_true(accel_line_has_flag("flags\t\t: fpu vme svm de\n"));
	assert_true(accel_line_has_flag("flags\t\t: fpu vmx\n"));
	assert_false(accel_line_has_flag("flags\t\t: fpu vmx_fake xsvm kvm\n"));
	assert_false(accel_line_has_flag("model name\t: vmx\n"));
	assert_false(accel_line_has_flag("flags"));
	assert_false(accel_line_has_flag(""));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_guest_starts_stopped_and_in_a_sandbox),
	cmocka_unit_test(memory_under_tcg_is_never_a_multiple_of_256_kib),
	cmocka_unit_test(disks_start_on_hold),
	cmocka_unit_test(the_real_node_is_a_descriptor),
	cmocka_unit_test(sockets_and_serial_ports_are_descriptors),
	cmocka_unit_test(a_kernel_line_stays_one_argument),
	cmocka_unit_test(bad_definitions_are_refused),
	cmocka_unit_test(bad_nics_are_refused),
	cmocka_unit_test(a_nic_on_a_network_is_a_tap),
	cmocka_unit_test(windows_gets_devices_that_it_knows),
	cmocka_unit_test(an_old_system_gets_ide),
	cmocka_unit_test(the_boot_order_is_kept),
	cmocka_unit_test(uefi_comes_as_descriptors),
	cmocka_unit_test(no_place_is_taken_twice),
	cmocka_unit_test(parts_that_do_not_fit_are_refused),
	cmocka_unit_test(a_machine_is_chosen_once), cmocka_unit_test(ports_are_chosen_once),
	cmocka_unit_test(kvm_needs_the_cpu_flag),
};
UNIT_MAIN(tests)
