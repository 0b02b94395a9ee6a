// SPDX-License-Identifier: GPL-3.0-or-later
// Makes QEMU's argument list from a VM's definition. Every disk starts on its HOLD node, the vcpus start stopped, and nothing is opened by path
// but the kernel and the initrd. Pure.
#include "hypervisor/qemu-args.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "hypervisor/guest-ram.h"
#include "hypervisor/qemu-devices.h"
#include "proto/shape.h"

enum {
	FDSET_LOG = 1,
	FDSET_UEFI_CODE = 2,
	FDSET_UEFI_HOLD = 3,
	FDSET_UEFI_REAL = 4,
	FDSET_SERIAL = 8,
	FDSET_DISK = 64,
	FDSET_PARENT = 128
};

struct args {
	char **list;
	size_t count, size;
	bool failed;
};

static void add_owned(struct args *args, char *text)
{
	if (args->count + 1 >= args->size) {
		size_t size = args->size ? 2 * args->size : 64;
		char **list = reallocarray(args->list, size, sizeof(*list));
		if (list) {
			args->list = list;
			args->size = size;
		}
	}
	if (!text || args->count + 1 >= args->size) {
		args->failed = true;
		free(text);
		return;
	}
	args->list[args->count++] = text;
	args->list[args->count] = NULL;
}

static void add(struct args *args, const char *option, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add(struct args *args, const char *option, const char *format, ...)
{
	char *text = NULL;
	add_owned(args, strdup(option));
	if (!format)
		return;
	va_list list;
	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	add_owned(args, text);
}

static void add_json(struct args *args, const char *option, json_t *value)
{
	add_owned(args, strdup(option));
	add_owned(args, value ? json_dumps(value, JSON_COMPACT) : NULL);
	json_decref(value);
}

static void add_node(struct args *args, json_t *node)
{
	add_json(args, "-blockdev", node);
}

static void node_name(char name[32], const char *kind, size_t i)
{
	snprintf(name, 32, "%.8s%zu", kind, i);
}

json_t *qemu_hold_node(size_t i, uint64_t bytes)
{
	static const char *const kinds[] = { "read", "write", "discard", "write-zeroes" };
	char name[32], below[32];
	node_name(name, "hold", i);
	node_name(below, "null", i);
	json_t *errors = json_array();
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		json_array_append_new(errors,
			json_pack("{s:s s:i s:b s:b s:s}", "event", "none", "errno", 5, "once", 0,
				"immediately", 1, "iotype", kinds[k]));
	return json_pack("{s:s s:s s:{s:s s:s s:I} s:o}", "driver", "blkdebug", "node-name", name, "image",
		"driver", "null-co", "node-name", below, "size", (json_int_t)bytes, "inject-error", errors);
}

// QEMU 7.2 reads its commands byte by byte, 5 to 15 us each, and these are read while a guest that moves stands still: no default is said.
json_t *qemu_real_node(size_t i, bool device)
{
	char name[32], path[32];
	node_name(name, "real", i);
	snprintf(path, sizeof(path), "/dev/fdset/%d", qemu_disk_fdset(i));
	return json_pack("{s:s s:s s:s s:{s:b}}", "driver", device ? "host_device" : "file", "node-name",
		name, "filename", path, "cache", "direct", 1);
}

static json_t *no_cache(void)
{
	return json_pack("{s:b s:b}", "direct", 1, "no-flush", 0);
}

json_t *qemu_qcow_node(size_t i, bool device, uint64_t bytes, json_t *parent)
{
	char name[32];
	json_t *below = qemu_real_node(i, device);
	if (!device) {
		node_name(name, "span", i);
		below = json_pack("{s:s s:s s:o s:I s:o}", "driver", "raw", "node-name", name, "file", below,
			"size", (json_int_t)bytes, "cache", no_cache());
	}
	node_name(name, "qcow", i);
	return json_pack("{s:s s:s s:o s:o s:s s:o}", "driver", "qcow2", "node-name", name, "file", below,
		"backing", parent ? parent : json_null(), "discard", "unmap", "cache", no_cache());
}

json_t *qemu_parent_node(size_t i, bool device, Holdfast__DiskFormat format)
{
	char name[32], path[32];
	bool qcow2 = format == HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	node_name(name, "pare", i);
	snprintf(path, sizeof(path), "/dev/fdset/%d", qemu_parent_fdset(i));
	json_t *file = json_pack("{s:s s:s s:b s:s}", "driver", device ? "host_device" : "file", "filename",
		path, "read-only", 1, "locking", "off");
	json_t *node = json_pack("{s:s s:s s:o s:b}", "driver", qcow2 ? "qcow2" : "raw", "node-name", name,
		"file", file, "read-only", 1);
	if (node && qcow2)
		json_object_set_new(node, "backing", json_null());
	return node;
}

int qemu_parent_fdset(size_t i)
{
	return FDSET_PARENT + (int)i;
}

json_t *qemu_disk_node(size_t i, const char *below)
{
	char name[32], child[32];
	node_name(name, "disk", i);
	node_name(child, below, i);
	json_t *node = json_pack("{s:s s:s s:s}", "driver", "raw", "node-name", name, "file", child);
	// What the guest gives up is room for the next checkpoint.
	if (node && !strcmp(below, "qcow"))
		json_object_set_new(node, "discard", json_string("unmap"));
	return node;
}

void qemu_disk_device_id(size_t i, char id[32])
{
	node_name(id, "vdisk", i);
}

int qemu_disk_fdset(size_t i)
{
	return FDSET_DISK + (int)i;
}

uint32_t qemu_cpus_max(const Holdfast__Vm *vm)
{
	return vm->control && vm->control->cpus_max > vm->cpus ? vm->control->cpus_max : vm->cpus;
}

uint32_t qemu_boot_cpus(const Holdfast__Vm *vm)
{
	return vm->plugged && vm->plugged->boot_cpus ? vm->plugged->boot_cpus : vm->cpus;
}

uint64_t qemu_boot_memory_mib(const Holdfast__Vm *vm)
{
	return vm->plugged && vm->plugged->boot_memory_mib ? vm->plugged->boot_memory_mib : vm->memory_mib;
}

uint64_t qemu_growth_mib(const Holdfast__Vm *vm)
{
	uint64_t most = vm->control ? vm->control->memory_max_mib : 0, boot = qemu_boot_memory_mib(vm);
	if (most <= boot || vm->os != HOLDFAST__OS__OS_LINUX || vm->bits == 32)
		return 0;
	return (most - boot + QEMU_GROWTH_UNIT_MIB - 1) / QEMU_GROWTH_UNIT_MIB * QEMU_GROWTH_UNIT_MIB;
}

bool qemu_disk_there(const Holdfast__Vm *vm, size_t i)
{
	return !vm->plugged || vm->disks[i]->volume != 0; // volume 0 is the group's own
}

bool qemu_nic_there(const Holdfast__Vm *vm, size_t i)
{
	return !vm->plugged || vm->nics[i]->network[0] != '\0';
}

uint64_t qemu_ram_kib(const Holdfast__Vm *vm, bool kvm)
{
	return qemu_boot_memory_mib(vm) * 1024 + (kvm ? 0 : 8);
}

// Room to grow is there from the start: places for processors, and an empty virtio-mem device.
static void add_size(struct args *args, const struct qemu_params *params)
{
	const Holdfast__Vm *vm = params->vm;
	uint64_t ram_kib = qemu_ram_kib(vm, params->kvm), growth_mib = qemu_growth_mib(vm);
	uint32_t cpus = qemu_boot_cpus(vm);
	if (qemu_cpus_max(vm) > cpus)
		add(args, "-smp", "%" PRIu32 ",maxcpus=%" PRIu32, cpus, qemu_cpus_max(vm));
	else
		add(args, "-smp", "%" PRIu32, cpus);
	for (; cpus < vm->cpus; cpus++)
		add(args, "-device", "%s,id=cpu%" PRIu32 ",socket-id=0,core-id=%" PRIu32 ",thread-id=0",
			vm->plugged->cpu_type, cpus, cpus);
	if (!growth_mib) {
		add(args, "-m", "%" PRIu64 "K", ram_kib);
		return;
	}
	add(args, "-m", "size=%" PRIu64 "K,maxmem=%" PRIu64 "K", ram_kib, ram_kib + growth_mib * 1024);
	add(args, "-object", "memory-backend-ram,id=growth,size=%" PRIu64 "M", growth_mib);
	add(args, "-device",
		"virtio-mem-pci,id=" QEMU_GROWTH_ID ",memdev=growth,block-size=%dM,requested-size=%" PRIu64
		"M",
		QEMU_GROWTH_STEP_MIB, vm->memory_mib - ram_kib / 1024);
}

// ---- the machine

static void add_cpu(struct args *args, const struct qemu_params *params)
{
	// What Windows knows of a hypervisor: without it its clock drifts and its idle loop burns a processor.
	static const char enlightenments[] =
		",hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-synic=on,"
		"hv-stimer=on,hv-time=on,hv-frequencies=on,hv-reset=on";
	const Holdfast__Vm *vm = params->vm;
	const char *model = vm->cpu_model[0] ? vm->cpu_model : params->kvm ? "host" : NULL;
	bool hyperv = params->kvm && vm->os == HOLDFAST__OS__OS_WINDOWS;
	if (!model && vm->bits != 32)
		return;
	add(args, "-cpu", "%s%s%s", model ? model : "qemu32", model && vm->bits == 32 ? ",lm=off" : "",
		hyperv ? enlightenments : "");
}

static void add_clock(struct args *args, const struct qemu_params *params)
{
	if (params->vm->os != HOLDFAST__OS__OS_WINDOWS) {
		add(args, "-rtc",
			"base=utc,clock=host"); // the host's, not the guest's, which stands still at times
		return;
	}
	add(args, "-rtc", "base=localtime,clock=host,driftfix=slew");
	if (params->kvm)
		add(args, "-global", "kvm-pit.lost_tick_policy=delay");
}

static json_t *flash_file(const char *name, int fdset, bool read_only)
{
	char path[32];
	snprintf(path, sizeof(path), "/dev/fdset/%d", fdset);
	return json_pack("{s:s s:s s:s s:b}", "driver", "file", "node-name", name, "filename", path,
		"read-only", read_only ? 1 : 0);
}

json_t *qemu_vars_node(enum qemu_vars below)
{
	static const char *const names[] = { [QEMU_VARS_HOLD] = "varshold", [QEMU_VARS_REAL] = "varsreal" };
	return json_pack("{s:s s:s s:s}", "driver", "raw", "node-name", "vars", "file", names[below]);
}

json_t *qemu_vars_file_node(enum qemu_vars below)
{
	return below == QEMU_VARS_HOLD ? flash_file("varshold", FDSET_UEFI_HOLD, false)
				       : flash_file("varsreal", FDSET_UEFI_REAL, false);
}

int qemu_vars_fdset(enum qemu_vars which)
{
	return which == QEMU_VARS_HOLD ? FDSET_UEFI_HOLD : FDSET_UEFI_REAL;
}

static void add_firmware(struct args *args, const struct qemu_params *params)
{
	if (params->vm->firmware != HOLDFAST__FIRMWARE__FIRMWARE_UEFI)
		return;
	add(args, "-add-fd", "fd=%d,set=%d", params->uefi_code_fd, FDSET_UEFI_CODE);
	add_node(args, flash_file("codefile", FDSET_UEFI_CODE, true));
	add_node(args,
		json_pack("{s:s s:s s:b s:s}", "driver", "raw", "node-name", "code", "read-only", 1, "file",
			"codefile"));
	add(args, "-add-fd", "fd=%d,set=%d", params->uefi_vars_fd, FDSET_UEFI_HOLD);
	add_node(args, qemu_vars_file_node(QEMU_VARS_HOLD));
	add_node(args, qemu_vars_node(QEMU_VARS_HOLD));
}

static void add_machine(struct args *args, const struct qemu_params *params)
{
	const Holdfast__Vm *vm = params->vm;
	bool uefi = vm->firmware == HOLDFAST__FIRMWARE__FIRMWARE_UEFI;
	add(args, "-name", "guest=%s,debug-threads=on", vm->name);
	add(args, "-nodefaults", NULL);
	add(args, "-no-user-config", NULL);
	add(args, "-S", NULL);
	add_firmware(args, params);
	add(args, "-machine", "%s,accel=%s,memory-backend=" GUEST_RAM_MAIN "%s", shape_machine(vm),
		params->kvm ? "kvm" : "tcg", uefi ? ",pflash0=code,pflash1=vars" : "");
	add_cpu(args, params);
	add_size(args, params);
	add(args, "-object",
		"memory-backend-file,id=" GUEST_RAM_MAIN ",size=%" PRIu64
		"K,mem-path=/proc/self/fd/%d,share=on%s",
		qemu_ram_kib(vm, params->kvm), params->ram_fd, params->prealloc ? ",prealloc=on" : "");
	if (vm->uuid[0])
		add(args, "-uuid", "%s", vm->uuid);
	add(args, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add(args, "-display", "none");
	// Not listening yet: its socket comes over QMP, since no option takes a descriptor.
	add(args, "-vnc", "none");
	add(args, "-vga", "none");
	add(args, "-boot", "strict=on");
	add_clock(args, params);
	// A guest that powers off leaves its QEMU there, stopped, so that whoever looks can tell it from one that crashed.
	// The same of one that panics or hangs: what it was doing is still there to be seen.
	add(args, "-action", "shutdown=pause,panic=pause,watchdog=pause");
	if (params->incoming)
		add(args, "-incoming", "defer");
	if (vm->kernel[0])
		add(args, "-kernel", "%s", vm->kernel);
	if (vm->initrd[0])
		add(args, "-initrd", "%s", vm->initrd);
	if (vm->append[0])
		add(args, "-append", "%s", vm->append);
}

static void add_sockets(struct args *args, const struct qemu_params *params)
{
	add(args, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", params->qmp_fd);
	add(args, "-mon", "chardev=qmp,mode=control");
	add(args, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off", params->agent_fd);
	add(args, "-mon", "chardev=agent,mode=control");
	add(args, "-add-fd", "fd=%d,set=%d", params->log_fd, FDSET_LOG);
	add(args, "-chardev", "socket,id=console,fd=%d,server=on,wait=off,logfile=/dev/fdset/%d,logappend=on",
		params->console_fd, FDSET_LOG);
	add(args, "-serial", "chardev:console");
	for (size_t i = 0; i < params->vm->n_serials; i++) {
		int set = FDSET_SERIAL + (int)i;
		add(args, "-add-fd", "fd=%d,set=%d", params->serial_fds[i], set);
		add(args, "-chardev", "file,id=serial%zu,path=/dev/fdset/%d,append=on", i + 1, set);
		add(args, "-serial", "chardev:serial%zu", i + 1);
	}
	add(args, "-chardev", "socket,id=guestagent,fd=%d,server=on,wait=off", params->guest_agent_fd);
}

// ---- devices

static void add_disk(struct args *args, const struct qemu_params *params, size_t i)
{
	add_node(args, qemu_hold_node(i, params->disk_bytes[i]));
	add_node(args, qemu_disk_node(i, "hold"));
	if (qemu_disk_has_iothread(params->vm, i))
		add_json(args, "-object", qemu_disk_iothread(i));
	add_json(args, "-device", qemu_disk_device(params->vm, i));
}

static void add_nic(struct args *args, const struct qemu_params *params, size_t i)
{
	char fd[QEMU_ID_BYTES];
	bool tap = shape_is_bridged(params->vm->nics[i]);
	snprintf(fd, sizeof(fd), "%d", params->tap_fds[i]);
	add_json(args, "-netdev", qemu_nic_backend(params->vm, i, tap ? fd : NULL));
	add_json(args, "-device", qemu_nic_device(params->vm, i));
}

static void add_cdrom(struct args *args, const struct qemu_params *params, size_t i)
{
	bool medium = params->vm->cdroms[i]->path[0] != '\0';
	if (medium) {
		add(args, "-add-fd", "fd=%d,set=%d", params->cdrom_fds[i], qemu_cdrom_fdset(i, 0));
		add_node(args, qemu_cdrom_node(i, qemu_cdrom_fdset(i, 0)));
	}
	add_json(args, "-device", qemu_cdrom_device(params->vm, i, medium));
}

static void add_devices(struct args *args, const struct qemu_params *params)
{
	const Holdfast__Vm *vm = params->vm;
	json_t *fixed = qemu_fixed_devices(vm), *device;
	size_t index;
	add(args, "-object", "rng-builtin,id=rng0");
	json_array_foreach (fixed, index, device)
		add_json(args, "-device", json_incref(device));
	json_decref(fixed);
	for (size_t i = 0; i < vm->n_disks; i++)
		if (qemu_disk_there(vm, i))
			add_disk(args, params, i);
	for (size_t i = 0; i < vm->n_nics; i++)
		if (qemu_nic_there(vm, i))
			add_nic(args, params, i);
	for (size_t i = 0; i < vm->n_cdroms; i++)
		add_cdrom(args, params, i);
}

int qemu_args_build(const struct qemu_params *params, char ***argv, struct error *err)
{
	struct args args = { 0 };
	if (qemu_definition_check(params->vm, err))
		return -1;
	add_owned(&args, strdup(params->qemu));
	add_machine(&args, params);
	add_sockets(&args, params);
	add_devices(&args, params);
	if (args.failed) {
		qemu_args_free(args.list);
		return error_set(err, ERROR_FAILED, "no memory for the arguments of VM %s", params->vm->name);
	}
	*argv = args.list;
	return 0;
}

void qemu_args_free(char **argv)
{
	for (size_t i = 0; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}
