// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs of ctl/vm-image.c, for the table in vm.c.
#ifndef CTL_VM_IMAGE_H
#define CTL_VM_IMAGE_H

#include "ctl/args.h"

verb_fn vm_clone, vm_template, vm_export, vm_import;
extern const struct arg vm_clone_operands[], vm_clone_options[], vm_template_options[], vm_export_operands[], vm_import_operands[],
	vm_import_options[];

#endif
