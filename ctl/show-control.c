// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM is held to and what it has used, as people read it. What nobody has set takes no line.
#include <stdio.h>
#include "ctl/show.h"
#include "ctl/value.h"

static void show_cpu(const struct printer *printer, const Holdfast__Control *control)
{
	char limit[32] = "no limit";
	if (!control->cpu_reserve && !control->cpu_limit && !control->cpu_weight)
		return;
	if (control->cpu_limit && control->cpu_limit < 100)
		snprintf(limit, sizeof(limit), "limit %u %%", control->cpu_limit);
	print_field(printer, "CPU share", "reserve %u %%, %s, weight %u", control->cpu_reserve, limit,
		control->cpu_weight ? control->cpu_weight : 100);
}

static void show_balloon(const struct printer *printer, const Holdfast__VmStatus *vm)
{
	const Holdfast__Control *control = vm->control;
	char now[VALUE_BYTES], wanted[VALUE_BYTES], floor[VALUE_BYTES];
	if (!control || (!control->memory_target_mib && !control->memory_floor_mib))
		return;
	value_show_size(
		floor, (control->memory_floor_mib ? control->memory_floor_mib : vm->memory_mib) << 20);
	value_show_size(
		wanted, (control->memory_target_mib ? control->memory_target_mib : vm->memory_mib) << 20);
	value_show_size(now, vm->memory_guest_mib << 20);
	print_field(printer, "balloon", "leaves it %s, never less than %s%s%s", wanted, floor,
		vm->memory_guest_mib ? "; now " : "", vm->memory_guest_mib ? now : "");
}

static void show_disk(const struct printer *printer, const Holdfast__DiskStatus *disk)
{
	char iops[48] = "", bytes[64] = "", weight[32] = "", size[VALUE_BYTES];
	if (disk->limit && disk->limit->iops)
		snprintf(iops, sizeof(iops), ", %llu requests/s", (unsigned long long)disk->limit->iops);
	if (disk->limit && disk->limit->bytes_per_s)
		snprintf(bytes, sizeof(bytes), ", %s/s", value_show_size(size, disk->limit->bytes_per_s));
	if (disk->weight)
		snprintf(weight, sizeof(weight), ", weight %u", disk->weight);
	if (iops[0] || bytes[0] || weight[0])
		print_field(printer, "disk share", "%s%s%s%s", disk->name, iops, bytes, weight);
}

void show_control(const struct printer *printer, const Holdfast__VmStatus *vm)
{
	char size[VALUE_BYTES];
	if (vm->control)
		show_cpu(printer, vm->control);
	show_balloon(printer, vm);
	for (size_t i = 0; i < vm->n_disks; i++)
		show_disk(printer, vm->disks[i]);
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i]->limit_bytes_per_s)
			print_field(printer, "NIC limit", "nic%zu, %s/s each way", i,
				value_show_size(size, vm->nics[i]->limit_bytes_per_s));
	for (size_t i = 0; i < vm->n_notices; i++)
		print_field(printer, "not kept", "%s", vm->notices[i]);
	if (vm->pid)
		print_field(printer, "used", "%.1f s of CPU, %s of memory", vm->cpu_seconds,
			value_show_size(size, vm->memory_used_mib << 20));
}
