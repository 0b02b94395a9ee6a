// SPDX-License-Identifier: GPL-3.0-or-later
// holdfast vm clone, template, export, import.
#include "ctl/vm-image.h"

#include "ctl/nouns.h"
#include "ctl/session.h"

int vm_clone(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmClone clone = HOLDFAST__VM_CLONE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	clone.name = args_text(args, "VM");
	clone.clone = args_text(args, "NEW");
	clone.linked = args_flag(args, "linked");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_CLONE;
	request.vm_clone = &clone;
	return session_change_long(session, &request, clone.clone, "VM %s is a clone", err);
}

int vm_template(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmTemplate template = HOLDFAST__VM_TEMPLATE__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	template.name = args_text(args, "VM");
	template.template_ = !args_flag(args, "undo");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_TEMPLATE;
	request.vm_template = &template;
	return session_change(session, &request, template.name,
		template.template_ ? "VM %s is a template" : "VM %s can be started again", err);
}

int vm_export(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmExport export = HOLDFAST__VM_EXPORT__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	export.name = args_text(args, "VM");
	export.directory = args_text(args, "DIRECTORY");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_EXPORT;
	request.vm_export = &export;
	return session_change_long(session, &request, export.name, "VM %s is exported", err);
}

int vm_import(struct session *session, const struct args *args, struct error *err)
{
	Holdfast__VmImport import = HOLDFAST__VM_IMPORT__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;

	import.directory = args_text(args, "DIRECTORY");
	import.group = args_text(args, "group");
	import.name = args_text(args, "name");
	import.keep_identity = args_flag(args, "keep-identity");
	request.body_case = HOLDFAST__REQUEST__BODY_VM_IMPORT;
	request.vm_import = &import;
	return session_change_long(session, &request, import.directory, "the VM in %s is imported", err);
}

const struct arg vm_clone_operands[] = { { .name = "VM", .kind = ARG_NAME, .what = "vm" },
	{ .name = "NEW", .kind = ARG_NAME, .what = "name" }, ARGS_END };
const struct arg vm_clone_options[] = {
	{ .name = "linked",
		.kind = ARG_FLAG,
		.help = "its disks lie over those of a template and take only what differs" },
	ARGS_END,
};
const struct arg vm_template_options[] = {
	{ .name = "undo", .kind = ARG_FLAG, .help = "make it a VM again that can be started" },
	ARGS_END,
};
const struct arg vm_export_operands[] = { { .name = "VM", .kind = ARG_NAME, .what = "vm" },
	{ .name = "DIRECTORY", .kind = ARG_PATH, .what = "path" }, ARGS_END };
const struct arg vm_import_operands[] = { { .name = "DIRECTORY", .kind = ARG_PATH, .what = "path" },
	ARGS_END };
const struct arg vm_import_options[] = {
	{ .name = "group",
		.kind = ARG_NAME,
		.what = "group",
		.help = "the group that it comes into",
		.flags = ARG_REQUIRED },
	{ .name = "name", .kind = ARG_NAME, .what = "name", .help = "another name than it had" },
	{ .name = "keep-identity",
		.kind = ARG_FLAG,
		.help = "its old UUID and MAC addresses; only where the old VM is gone" },
	ARGS_END,
};
