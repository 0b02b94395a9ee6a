// SPDX-License-Identifier: GPL-3.0-or-later
// What save, restore and refresh ask of one QEMU: its stream of devices through a descriptor, and its memory. All wait.
#ifndef HYPERVISOR_VM_STREAM_H
#define HYPERVISOR_VM_STREAM_H

#include "hypervisor/save-memory.h"
#include "hypervisor/vm.h"

enum vm_stream_memory { VM_STREAM_ALL, VM_STREAM_WITHOUT_SHARED };

// Sets what a stream of this kind needs; whatever a move has set is set again. VM_STREAM_ALL is how QEMU must be left: a move relies on it.
int vm_stream_set(struct vm *vm, enum vm_stream_memory memory, struct error *err) MUST_CHECK;
// A pipe whose end OURS (0: we read, 1: we write) never blocks and whose other end is QEMU's, under the name "state".
int vm_stream_pipe(struct vm *vm, int ours, int *fd, struct error *err) MUST_CHECK;
int vm_stream_await(struct vm *vm, int64_t deadline_us, struct error *err) MUST_CHECK;	// until QEMU says: completed
// Whatever went on is over, and QEMU is as for a move.
int vm_stream_cancel(struct vm *vm, struct error *err) MUST_CHECK;
// A guest that stays paused after its stream was complete: QEMU would send no further one, so it runs for an instant, on its own disks here.
int vm_stream_rest(struct vm *vm, struct error *err) MUST_CHECK;

// The memory backends of VM's QEMU into the head and their memory into MEMORY (save_memory_init was called). If any shared one cannot be opened,
// ram_count is 0: all of it has to travel in the stream.
int vm_stream_memory(struct vm *vm, struct save_header *header, struct save_memory *memory, struct error *err) MUST_CHECK;

#endif
