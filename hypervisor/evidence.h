// SPDX-License-Identifier: GPL-3.0-or-later
// What is kept of a guest that panicked or hung: its screen, the last that its console said, its processors' registers, and why. One directory each,
// STATE/evidence/VM-TIME; few of them, and none large, whatever the guest does.
#ifndef HYPERVISOR_EVIDENCE_H
#define HYPERVISOR_EVIDENCE_H

#include "hypervisor/vm.h"
#include "proto/api.pb-c.h"

struct hypervisor;

#define EVIDENCE_NAME_BYTES 96
#define EVIDENCE_PER_VM 5
#define EVIDENCE_ALL 50

// Keeps what can be had; what cannot is left out. *name is "" if nothing could be kept.
void evidence_keep(struct vm *vm, const char *reason, char name[EVIDENCE_NAME_BYTES]);	// waits
// Names of what there is of VM, the oldest first. The caller frees it and its strings.
char **evidence_names(const struct hypervisor *hv, const char *vm, size_t *count);
// ENTRY "": all of VM, without content. Else that one, with it.
int evidence_list(const struct hypervisor *hv, const char *vm, const char *entry, Holdfast__EvidenceList *list,
	struct error *err) MUST_CHECK;

#endif
