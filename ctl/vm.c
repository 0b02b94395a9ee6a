// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast vm: create, list, show, set, start, stop, save, pause, resume, reset, refresh, console, delete.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/console.h"
#include "ctl/disk-option.h"
#include "ctl/nouns.h"
#include "ctl/screen.h"
#include "ctl/session.h"
#include "ctl/nic-option.h"
#include "ctl/vm-image.h"
#include "ctl/vm-control.h"
#include "ctl/vm-devices.h"
#include "ctl/vm-health.h"
#include "ctl/vm-set.h"

#define DISK_NAME_BYTES 32

// What a definition points into, allocated together.
struct vm_parts {
	Holdfast__Disk *disks, **disk_list;
	char (*disk_names)[DISK_NAME_BYTES];
	char **disk_texts; // that the disks point into
	size_t disk_count;
	Holdfast__Nic *nics, **nic_list;
	Holdfast__Serial *serials, **serial_list;
};

static void parts_done(struct vm_parts *parts)
{
	free(parts->disks);
	free(parts->disk_list);
	free(parts->disk_names);
	for (size_t i = 0; parts->disk_texts && i < parts->disk_count; i++)
		free(parts->disk_texts[i]);
	free(parts->disk_texts);
	free(parts->nics);
	free(parts->nic_list);
	free(parts->serials);
	free(parts->serial_list);
}

static int parts_init(struct vm_parts *parts, const Holdfast__Vm *vm, struct error *err)
{
	parts->disks = calloc(vm->n_disks + 1, sizeof(*parts->disks));
	parts->disk_list = calloc(vm->n_disks + 1, sizeof(*parts->disk_list));
	parts->disk_names = calloc(vm->n_disks + 1, sizeof(*parts->disk_names));
	parts->disk_texts = calloc(vm->n_disks + 1, sizeof(*parts->disk_texts));
	parts->disk_count = vm->n_disks;
	parts->nics = calloc(vm->n_nics + 1, sizeof(*parts->nics));
	parts->nic_list = calloc(vm->n_nics + 1, sizeof(*parts->nic_list));
	parts->serials = calloc(vm->n_serials + 1, sizeof(*parts->serials));
	parts->serial_list = calloc(vm->n_serials + 1, sizeof(*parts->serial_list));
	if (parts->disks && parts->disk_list && parts->disk_names && parts->disk_texts && parts->nics &&
		parts->nic_list && parts->serials && parts->serial_list)
		return 0;
	return error_set(err, ERROR_NO_SPACE, "no memory");
}

static int fill_disk(const struct args *args, size_t i, struct vm_parts *parts, struct error *err)
{
	Holdfast__Disk *disk = &parts->disks[i];

	holdfast__disk__init(disk);
	snprintf(parts->disk_names[i], DISK_NAME_BYTES, "disk%zu", i);
	disk->name = parts->disk_names[i];
	parts->disk_texts[i] = strdup(args_text_at(args, "disk", i));
	if (!parts->disk_texts[i])
		return error_set(err, ERROR_NO_SPACE, "no memory");
	if (disk_option_parse(parts->disk_texts[i], disk, err))
		return -1;
	if (args_flag(args, "checkpoints"))
		disk->format = HOLDFAST__DISK_FORMAT__FORMAT_QCOW2;
	return 0;
}

static int fill_parts(const struct args *args, Holdfast__Vm *vm, struct vm_parts *parts, struct error *err)
{
	for (size_t i = 0; i < vm->n_disks; i++) {
		if (fill_disk(args, i, parts, err))
			return -1;
		parts->disk_list[i] = &parts->disks[i];
	}
	for (size_t i = 0; i < vm->n_nics; i++) {
		holdfast__nic__init(&parts->nics[i]);
		if (nic_option_parse(args_text_at(args, "nic", i), &parts->nics[i], err))
			return error_prefix(err, "--nic");
		parts->nic_list[i] = &parts->nics[i];
	}
	for (size_t i = 0; i < vm->n_serials; i++) {
		holdfast__serial__init(&parts->serials[i]);
		parts->serials[i].path = args_text_at(args, "serial", i);
		parts->serial_list[i] = &parts->serials[i];
	}
	vm->disks = parts->disk_list;
	vm->nics = parts->nic_list;
	vm->serials = parts->serial_list;
	return 0;
}

static void fill_vm(const struct args *args, Holdfast__Vm *vm)
{
	vm->name = args_text(args, "VM");
	vm->group = args_text(args, "group");
	vm->cpus = (uint32_t)args_number(args, "cpus", 1);
	vm->memory_mib = args_number(args, "memory", 0);
	vm->kernel = args_text(args, "kernel");
	vm->initrd = args_text(args, "initrd");
	vm->append = args_text(args, "append");
	vm->n_disks = args_count(args, "disk");
	vm->n_nics = args_count(args, "nic");
	vm->n_serials = args_count(args, "serial");
	vm->offline_action = (Holdfast__OfflineAction)args_number(
		args, "offline-action", HOLDFAST__OFFLINE_ACTION__OFFLINE_SAVE);
	vm->restart_limit = (uint32_t)args_number(args, "restart-limit", 3);
	vm->restart_period_s = (uint32_t)args_number(args, "restart-period", 900);
}

static int vm_create(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmCreate create = HOLDFAST__VM_CREATE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	struct vm_parts parts = { NULL };
	struct vm_control control;
	struct vm_devices_parts devices;
	Holdfast__Health health;
	int result = -1;

	fill_vm(args, &vm);
	vm_health_fill(args, &health, &vm);
	if (!vm.kernel[0] && (vm.initrd[0] || vm.append[0]))
		return error_set(
			err, ERROR_USAGE, "--initrd and --append belong to a kernel: give --kernel too");
	if (parts_init(&parts, &vm, err) == 0 && fill_parts(args, &vm, &parts, err) == 0) {
		result = vm_control_fill(args, &control, &vm, err);
	}
	if (result == 0)
		result = vm_devices_fill(args, &devices, &vm, err);
	if (result == 0) {
		create.vm = &vm;
		request.body_case = HOLDFAST__REQUEST__BODY_VM_CREATE;
		request.vm_create = &create;
		result = session_change(session, &request, vm.name, "VM %s is created", err);
	}
	parts_done(&parts);
	return result;
}

static int vm_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(
		session, HOLDFAST__REQUEST__BODY_VM_LIST, HOLDFAST__REPLY__BODY_VM_LIST, show_vm_list, err);
}

static int vm_show(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_VM_SHOW, args_text(args, "VM"),
		HOLDFAST__REPLY__BODY_VM, show_vm, err);
}

static int vm_start(struct session *session, const struct args *args, struct error *err)
{
	return session_do(
		session, HOLDFAST__REQUEST__BODY_VM_START, args_text(args, "VM"), "VM %s runs", err);
}

static int vm_stop(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmStop stop = HOLDFAST__VM_STOP__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	stop.name = args_text(args, "VM");
	stop.force = args_flag(args, "force");
	stop.timeout_s = (uint32_t)args_number(args, "timeout", 0);
	if (stop.force && stop.timeout_s)
		return error_set(err, ERROR_USAGE,
			"--force does not wait for the guest: leave --timeout out, or --force");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_STOP;
	request.vm_stop = &stop;
	return session_change(session, &request, stop.name, "VM %s is off", err);
}

static int vm_save(struct session *session, const struct args *args, struct error *err)
{
	return session_do(
		session, HOLDFAST__REQUEST__BODY_VM_SAVE, args_text(args, "VM"), "VM %s is saved", err);
}

static int vm_refresh(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_VM_REFRESH, args_text(args, "VM"),
		HOLDFAST__REPLY__BODY_REFRESH, show_refresh, err);
}

static int vm_pause(struct session *session, const struct args *args, struct error *err)
{
	return session_do(
		session, HOLDFAST__REQUEST__BODY_VM_PAUSE, args_text(args, "VM"), "VM %s is paused", err);
}

static int vm_resume(struct session *session, const struct args *args, struct error *err)
{
	return session_do(
		session, HOLDFAST__REQUEST__BODY_VM_RESUME, args_text(args, "VM"), "VM %s runs", err);
}

static int vm_reset(struct session *session, const struct args *args, struct error *err)
{
	return session_do(
		session, HOLDFAST__REQUEST__BODY_VM_RESET, args_text(args, "VM"), "VM %s is reset", err);
}

static int vm_delete(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_VM_DELETE, args_text(args, "VM"),
		"VM %s is deleted, and its disks with it", err);
}

static int vm_console(struct session *session, const struct args *args, struct error *err)
{
	if (args->json)
		return error_set(err, ERROR_USAGE, "a console is no JSON document: leave --json out");
	if (args_count(args, "tail"))
		return console_tail(session, args_text(args, "VM"), (uint32_t)args_number(args, "tail", 0), err);
	return console_run(session, args_text(args, "VM"), err);
}

static int vm_screenshot(struct session *session, const struct args *args, struct error *err)
{
	return screen_save(session, args_text(args, "VM"), args_text(args, "FILE"), err);
}

static const struct arg one_vm[] = { OPERAND_VM, ARGS_END };
static const struct arg vm_and_file[] = { OPERAND_VM, { .name = "FILE", .kind = ARG_TEXT, .what = "file" },
	ARGS_END };
static const struct arg console_options[] = {
	{ .name = "tail",
		.kind = ARG_NUMBER,
		.what = "n",
		.least = 1,
		.most = 10000,
		.help = "only print the last lines that it said" },
	ARGS_END,
};
static const struct arg create_options[] = {
	{ .name = "group",
		.kind = ARG_NAME,
		.what = "group",
		.help = "the group that it is in",
		.flags = ARG_REQUIRED },
	{ .name = "memory",
		.kind = ARG_MEMORY,
		.what = "MiB",
		.most = UINT32_MAX,
		.help = "memory in MiB, or like 2G",
		.flags = ARG_REQUIRED },
	{ .name = "cpus",
		.kind = ARG_NUMBER,
		.what = "n",
		.least = 1,
		.most = 255,
		.help = "virtual CPUs [1]" },
	{ .name = "disk",
		.kind = ARG_DISK,
		.what = "size[,bus=...][,format=raw|qcow2][,thin][,parent=path,parent-format=raw|qcow2]",
		.help = "a disk, like 20G; again for more of them",
		.flags = ARG_REPEATED },
	{ .name = "checkpoints",
		.kind = ARG_FLAG,
		.help = "all disks in qcow2, on volumes with room for checkpoints" },
	{ .name = "kernel",
		.kind = ARG_PATH,
		.what = "path",
		.help = "boot this kernel directly; it must be on each possible node" },
	{ .name = "initrd", .kind = ARG_PATH, .what = "path", .help = "with this initial RAM disk" },
	{ .name = "append", .kind = ARG_TEXT, .what = "text", .help = "and this command line" },
	{ .name = "serial",
		.kind = ARG_PATH,
		.what = "path",
		.flags = ARG_REPEATED,
		.help = "a further serial port: a device of the node, or a file in its serial-directory" },
	{ .name = "nic",
		.kind = ARG_TEXT,
		.what = "network[,model=...][,mac=...]",
		.flags = ARG_REPEATED,
		.help = "a network card on a network of the nodes' configuration, or on QEMU's own: user" },
	{ .name = "offline-action",
		.kind = ARG_CHOICE,
		.what = "action",
		.choices = "save|shut-down|turn-off",
		.help = "when its group goes offline: save [default], shut-down or turn-off" },
	{ .name = "restart-limit",
		.kind = ARG_NUMBER,
		.what = "n",
		.most = 1000,
		.help = "restarts in place before the group fails over [3]" },
	{ .name = "restart-period",
		.kind = ARG_SECONDS,
		.what = "time",
		.least = 1,
		.most = UINT32_MAX,
		.help = "within this time [15m]" },
	VM_DEVICES_OPTIONS,
	VM_CONTROL_OPTIONS,
	VM_HEALTH_OPTIONS,
	ARGS_END,
};
static const struct arg stop_options[] = {
	{ .name = "force", .kind = ARG_FLAG, .help = "turn it off as if by pulling the plug" },
	{ .name = "timeout",
		.kind = ARG_SECONDS,
		.what = "time",
		.least = 1,
		.most = 3600,
		.help = "how long the guest may take, like 90s or 2m" },
	ARGS_END,
};

const struct verb vm_verbs[] = {
	{
		.name = "create",
		.summary = "define a VM in a group and make its disks",
		.example =
			"holdfast vm create db --group web --memory 2048 --cpus 2 --disk 20G --nic user \\\n"
			"    --kernel /srv/guest/vmlinuz --initrd /srv/guest/initrd.gz --append "
			"\"console=ttyS0 quiet\"",
		.operands = one_vm,
		.options = create_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast vm list`",
		.run = vm_create,
	},
	{ .name = "list", .summary = "all VMs", .example = "holdfast vm list", .run = vm_list },
	{ .name = "show",
		.summary = "one VM with its disks",
		.example = "holdfast vm show db",
		.operands = one_vm,
		.run = vm_show },
	{
		.name = "set",
		.summary = "change a VM, while it runs as far as that goes",
		.text = "What a running guest cannot get is stored and named: it gets it at its next start "
			"(`pending` "
			"in vm show).",
		.example = "holdfast vm set db --cpus 4 --memory 4G\nholdfast vm set db --add-disk 20G",
		.operands = one_vm,
		.options = vm_set_options,
		.goes_on = "clusterd finishes what it has begun; see `holdfast vm show`",
		.run = vm_set,
	},
	{
		.name = "start",
		.summary = "run a VM; a saved one goes on where it was",
		.text = "Its group must be online; if the group is offline it will run when the group is "
			"started.",
		.example = "holdfast vm start db",
		.operands = one_vm,
		.goes_on = "the start goes on; see `holdfast vm show`",
		.run = vm_start,
	},
	{
		.name = "stop",
		.summary = "shut a VM down through its power button",
		.example = "holdfast vm stop db --timeout 2m\nholdfast vm stop db --force",
		.operands = one_vm,
		.options = stop_options,
		.goes_on = "the guest has been told and may still stop; see `holdfast vm show`",
		.run = vm_stop,
	},
	{
		.name = "save",
		.summary = "write a VM's memory to its group's state volume and end it",
		.example = "holdfast vm save db\nholdfast vm start db",
		.operands = one_vm,
		.goes_on = "the save goes on; see `holdfast vm show`",
		.run = vm_save,
	},
	{ .name = "pause",
		.summary = "stop a VM's CPUs",
		.example = "holdfast vm pause db",
		.operands = one_vm,
		.run = vm_pause },
	{ .name = "resume",
		.summary = "let a paused VM run on",
		.example = "holdfast vm resume db",
		.operands = one_vm,
		.run = vm_resume },
	{
		.name = "reset",
		.summary = "reset a VM as its reset button would",
		.example = "holdfast vm reset db",
		.operands = one_vm,
		.run = vm_reset,
	},
	{
		.name = "refresh",
		.summary = "put a new QEMU under a running VM, without a reboot",
		.text = "For the security updates of QEMU and its libraries: the program that is installed "
			"now takes the guest over, "
			"which stands still for some hundredths of a second, whatever its memory. If that "
			"fails, it "
			"runs on in the old one.",
		.example = "holdfast vm refresh db",
		.operands = one_vm,
		.run = vm_refresh,
	},
	{
		.name = "console",
		.summary = "a VM's first serial port, on this terminal; Ctrl-] leaves it",
		.text = "Without a terminal, stdin is sent as it comes; after its end the command ends when the console "
			"was quiet for a second, or after ten.",
		.example = "holdfast vm console db\nholdfast vm console db --tail 20",
		.operands = one_vm,
		.options = console_options,
		.run = vm_console,
	},
	{
		.name = "screenshot",
		.summary = "a picture of a VM's screen, as PNG",
		.text = "The file \"-\" is stdout. Its node also has the screen as VNC, on the Unix socket vnc.sock in the "
			"VM's run directory.",
		.example = "holdfast vm screenshot db screen.png",
		.operands = vm_and_file,
		.run = vm_screenshot,
	},
	{
		.name = "evidence",
		.summary = "what was kept of a VM's panics and hangs",
		.text = "Its screen, the last of its console, its registers, and why; the last five times. With a "
			"directory they are written below it. They are on the node that had the VM then.",
		.example = "holdfast vm evidence db\nholdfast vm evidence db /tmp",
		.operands = vm_evidence_operands,
		.run = vm_evidence,
	},
	{
		.name = "clone",
		.summary = "copy a VM with its disks into a new one of the same group",
		.text = "Both are off meanwhile. A linked clone shares the disks of a template in its group and is there at "
			"once.",
		.example = "holdfast vm clone db db-test\nholdfast vm clone base web3 --linked",
		.operands = vm_clone_operands,
		.options = vm_clone_options,
		.goes_on = "the copy goes on; see `holdfast vm list`",
		.run = vm_clone,
	},
	{
		.name = "template",
		.summary = "make a VM a template, which is never started and whose disks are never written",
		.example = "holdfast vm template base\nholdfast vm template base --undo",
		.operands = one_vm,
		.options = vm_template_options,
		.run = vm_template,
	},
	{
		.name = "export",
		.summary = "write a VM with its disks into a new directory",
		.text = "Below the image directory of the node that has its group: vm.json, each disk in qcow2, and SHA256SUMS.",
		.example = "holdfast vm export db /var/lib/holdfast/images/db",
		.operands = vm_export_operands,
		.goes_on = "the export goes on; see `holdfast events`",
		.run = vm_export,
	},
	{
		.name = "import",
		.summary = "make a VM from a directory that vm export wrote",
		.text = "It is on the node that has the group, below its image directory. Everything is checked by its sum first.",
		.example = "holdfast vm import /var/lib/holdfast/images/db --group web --name db2",
		.operands = vm_import_operands,
		.options = vm_import_options,
		.goes_on = "the import goes on; see `holdfast vm list`",
		.run = vm_import,
	},
	{
		.name = "delete",
		.summary = "delete a VM with its disks",
		.text = "It must be off. The data is gone for good.",
		.example = "holdfast vm stop db\nholdfast vm delete db",
		.operands = one_vm,
		.goes_on = "clusterd finishes what it has begun; see `holdfast vm list`",
		.run = vm_delete,
	},
	{ .name = NULL },
};
