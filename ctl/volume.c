// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast volume: list, show, grow, import, export, delete.
#include "ctl/nouns.h"
#include "ctl/session.h"

static int volume_list(struct session *session, const struct args *args, struct error *err)
{
	return session_ask(session, HOLDFAST__REQUEST__BODY_VOLUME_LIST, HOLDFAST__REPLY__BODY_VOLUME_LIST,
		show_volume_list, err);
}

static int volume_show(struct session *session, const struct args *args, struct error *err)
{
	return session_ask_for(session, HOLDFAST__REQUEST__BODY_VOLUME_SHOW, args_text(args, "VOLUME"),
		HOLDFAST__REPLY__BODY_VOLUME_LIST, show_volume_list, err);
}

static int volume_import(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VolumeImport import = HOLDFAST__VOLUME_IMPORT__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	import.volume = args_text(args, "VM.DISK");
	import.path = args_text(args, "FILE");
	import.format = (Holdfast__ImageFormat)args_number(args, "format", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_VOLUME_IMPORT;
	request.volume_import = &import;
	return session_change_long(session, &request, import.volume, "disk %s has the image", err);
}

static int volume_export(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VolumeExport export = HOLDFAST__VOLUME_EXPORT__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	export.volume = args_text(args, "VM.DISK");
	export.path = args_text(args, "FILE");
	export.format = (Holdfast__ImageFormat)args_number(args, "format", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_VOLUME_EXPORT;
	request.volume_export = &export;
	return session_change_long(session, &request, export.volume, "disk %s is exported", err);
}

static int volume_grow(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VolumeGrow grow = HOLDFAST__VOLUME_GROW__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	grow.volume = args_text(args, "VM.DISK");
	grow.size_bytes = args_number(args, "SIZE", 0);
	request.body_case = HOLDFAST__REQUEST__BODY_VOLUME_GROW;
	request.volume_grow = &grow;
	return session_change_long(session, &request, grow.volume, "volume %s is larger now", err);
}

static int volume_delete(struct session *session, const struct args *args, struct error *err)
{
	return session_do(session, HOLDFAST__REQUEST__BODY_VOLUME_DELETE, args_text(args, "VM.DISK"), "volume %s is deleted", err);
}

// A volume is called GROUP/NAME or as in the list: no plain name.
static const struct arg one_volume[] = { { .name = "VOLUME", .kind = ARG_TEXT, .what = "volume" }, ARGS_END };
static const struct arg one_disk[] = { { .name = "VM.DISK", .kind = ARG_TEXT, .what = "volume" }, ARGS_END };
static const struct arg disk_and_file[] = {
	{ .name = "VM.DISK", .kind = ARG_TEXT, .what = "volume" },
	{ .name = "FILE", .kind = ARG_PATH, .what = "path" },
	ARGS_END,
};
static const struct arg disk_and_size[] = {
	{ .name = "VM.DISK", .kind = ARG_TEXT, .what = "volume" },
	{ .name = "SIZE", .kind = ARG_SIZE, .what = "size", .least = 1 << 20 },
	ARGS_END,
};
static const struct arg image_options[] = {
	{ .name = "format",
		.kind = ARG_CHOICE,
		.what = "format",
		.choices = "raw|qcow2|vhdx|vmdk",
		.help = "the file's format, which is never guessed: raw, qcow2, vhdx or vmdk",
		.flags = ARG_REQUIRED },
	ARGS_END,
};

const struct verb volume_verbs[] = {
	{
		.name = "list",
		.summary = "all volumes: their roles, disks and connections",
		.example = "holdfast volume list",
		.run = volume_list,
	},
	{
		.name = "show",
		.summary = "one volume, as each of its nodes sees it",
		.example = "holdfast volume show db.disk0",
		.operands = one_volume,
		.run = volume_show,
	},
	{
		.name = "grow",
		.summary = "make a VM's disk larger, while it runs or is off, or a group's state volume",
		.text = "A state volume, GROUP.state, grows by itself with the memory of its VMs; more of it is for\n"
			"checkpoints. Both replicas must be there and up to date. If it breaks off, repeat it: it goes on\n"
			"where it was.",
		.example = "holdfast volume grow db.disk0 40G",
		.operands = disk_and_size,
		.goes_on = "the growth goes on; see `holdfast volume show`",
		.run = volume_grow,
	},
	{
		.name = "delete",
		.summary = "delete a volume that is no VM's disk any more",
		.text = "`holdfast checkpoint apply` takes a disk that was added after the checkpoint out of its VM and\n"
			"keeps its volume, for a checkpoint that has it. What is on it is lost.",
		.example = "holdfast volume delete db.disk1",
		.operands = one_disk,
		.run = volume_delete,
	},
	{
		.name = "import",
		.summary = "fill a VM's disk with an image file",
		.text = "The VM must be off. What the disk had is lost; if the import breaks off, the disk "
			"is not whole and the VM\n"
			"does not start until an import has succeeded. The file is below the image directory "
			"of the node that has the group.",
		.example = "holdfast volume import db.disk0 /var/lib/holdfast/images/db.vhdx --format vhdx",
		.operands = disk_and_file,
		.options = image_options,
		.goes_on = "the import goes on; see `holdfast events`",
		.run = volume_import,
	},
	{
		.name = "export",
		.summary = "write a VM's disk into a new image file",
		.text = "The VM must be off. The file is made below the image directory of the node that "
			"has the group, when all of it is there.",
		.example = "holdfast volume export db.disk0 /var/lib/holdfast/images/db.qcow2 --format qcow2",
		.operands = disk_and_file,
		.options = image_options,
		.goes_on = "the export goes on; see `holdfast events`",
		.run = volume_export,
	},
	{ .name = NULL },
};
