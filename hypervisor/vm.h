// SPDX-License-Identifier: GPL-3.0-or-later
// One VM on this node: its state machine (vm-state.c has the table) and the one QEMU process behind it. QEMU is always started paused
// and with HOLD nodes in place of its disks (FACTS: they fail every access and keep it); the real disks are put in and
// taken out over QMP, as descriptors, in the same way for a cold start, a restore and both sides of a move.
#ifndef HYPERVISOR_VM_H
#define HYPERVISOR_VM_H

#include "common/error.h"
#include "common/task.h"
#include "hypervisor/qmp.h"
#include "proto/definition.pb-c.h"
#include "proto/status.pb-c.h"

// The caller of everything here that waits holds the group's mutex (group_mutex).

struct group;
struct vm;

const char *vm_name(const struct vm *vm);
// While it has a QEMU: the definition as that QEMU has it (running.h); else what is wanted of it.
const Holdfast__Vm *vm_definition(const struct vm *vm);
const Holdfast__Vm *vm_wanted(const struct vm *vm);	// in its group's definition: what it gets at its next start
Holdfast__VmState vm_state(const struct vm *vm);
struct group *vm_group(const struct vm *vm);
struct qmp *vm_qmp(const struct vm *vm);	// NULL when no QEMU runs
pid_t vm_pid(const struct vm *vm);
// When QEMU last stopped and resumed its vcpus, as loop_now_ms() tells it, by QEMU's own time stamp; 0: not since hypervisord knows it.
double vm_stopped_ms(const struct vm *vm);	// 0 too when it has resumed since
double vm_resumed_ms(const struct vm *vm);

// INCOMING: -incoming defer; memory comes from a save or a move. INCOMING_TOUCHED: and all of it is there before the
// greeting, so that it is filled faster.
enum vm_spawn { VM_SPAWN_BOOT, VM_SPAWN_INCOMING, VM_SPAWN_INCOMING_TOUCHED };
// Starts QEMU to its QMP greeting: paused, placeholder disks of the given sizes (bytes, in the order of the definition's disks).
int vm_spawn(struct vm *vm, enum vm_spawn kind, const uint64_t *disk_bytes, struct error *err) MUST_CHECK;	// waits
// Real disks in place of HOLD; the group's volumes must be Primary here. Works before the guest ever ran, while it is
// paused and while INMIGRATE.
int vm_attach_disks(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// Before a move: what would keep the disks from being closed quickly later is done now.
int vm_disks_prepare_leaving(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// Right before the guest is stopped for a move: HOLD stands beside the disks, so that vm_stop_and_leave can swap them at once.
// vm_attach_disks takes it back.
int vm_disks_ready_to_leave(struct vm *vm, struct error *err) MUST_CHECK;	// waits
// All at once: stops the guest, sets QEMU's migration PARAMETERS (stolen; NULL: none), closes the disks if that was made ready, and says
// QEMU's run state then. vm_detach_disks comes after it in any case.
int vm_stop_and_leave(struct vm *vm, json_t *parameters, char status[32], struct error *err) MUST_CHECK;	// waits
// HOLD in place of the real disks, which are closed: checked in /proc/PID/fd. The guest must be stopped.
int vm_detach_disks(struct vm *vm, struct error *err) MUST_CHECK;	// waits
int vm_continue(struct vm *vm, struct error *err) MUST_CHECK;	// waits for RESUME; also after PAUSE, POSTMIGRATE
// What came back from a state: it runs, or is paused as its user had left it.
int vm_continue_as(struct vm *vm, bool paused, struct error *err) MUST_CHECK;	// waits
int vm_stop_cpus(struct vm *vm, struct error *err) MUST_CHECK;	// waits for STOP: vcpus stopped, disks drained and flushed
// Ends QEMU: quit over QMP, then SIGKILL; returns when the process is gone and the record of it removed. Never fails but for a process that
// cannot be killed (D state) within the time.
int vm_end(struct vm *vm, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// ACPI power button, waits for the guest to power off.
int vm_shut_down(struct vm *vm, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// Save: the guest is stopped, its memory and devices go to a file on the state volume; QEMU has ended when it returns.
// On error the guest runs on. Within timeout_ms; the state volume too small: ERROR_NO_SPACE with how much is missing.
int vm_save(struct vm *vm, const char *directory, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits
// Restore what vm_save wrote there into a new QEMU, with its disks, and let it run. The saved state is durably marked
// used before the guest's first instruction. ERROR_NOT_FOUND if there is no saved state of this VM; a state that does
// not fit the disks' generation is refused, never restored.
int vm_restore(struct vm *vm, const char *directory, struct error *err) MUST_CHECK;	// waits

// For a move: hands the life of the QEMU to the mover and back (state VM_MOVING_OUT / VM_MOVING_IN): the keeper neither
// restarts nor ends it meanwhile.
int vm_move_begin(struct vm *vm, Holdfast__VmState state, struct error *err) MUST_CHECK;
void vm_move_end(struct vm *vm, Holdfast__VmState state);	// RUNNING, PAUSED or OFF (QEMU ended)

#endif
