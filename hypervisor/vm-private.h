// SPDX-License-Identifier: GPL-3.0-or-later
// One VM as the files vm*.c and group*.c see it. Only vm.c changes `state`, by the table; adopt.c sets what
// it was when hypervisord starts.
#ifndef HYPERVISOR_VM_PRIVATE_H
#define HYPERVISOR_VM_PRIVATE_H

#include "hypervisor/group.h"
#include "hypervisor/guest-clock.h"
#include "hypervisor/health.h"
#include "hypervisor/qemu-args.h"
#include "hypervisor/running.h"
#include "hypervisor/rundir.h"
#include "hypervisor/vm-state.h"
#include "hypervisor/vm.h"

enum vm_disks { VM_DISKS_UNKNOWN, VM_DISKS_HOLD, VM_DISKS_REAL };	// UNKNOWN: QEMU is asked

struct vm {
	struct group *group;
	const Holdfast__Vm *definition;	// running, if that is there; else wanted
	const Holdfast__Vm *wanted;	// in the group's definition
	Holdfast__Vm *running;		// what its QEMU has (running.c); NULL without one
	char name[64];
	char record[72];		// in the run directory: the name, or that of the second QEMU of a refresh
	Holdfast__VmState state;
	char reason[256];		// why it failed or stands still; "": nothing to say
	struct rundir_guest guest;	// as in the run directory

	// Of its QEMU; guest.pid is 0 and pidfd -1 without one.
	int pidfd;
	struct loop_source *exit_source;
	struct qmp *qmp;
	struct task_wait gone;		// woken when the process has ended
	struct task_wait powered_off;	// woken when the guest has powered itself off
	bool guest_powered_off;
	pid_t memory_of;		// whose memory its next QEMU gets; 0: memory of its own
	bool booting;			// about to be started with the others of its group: what it takes is its own already
	bool kvm;
	enum vm_disks disks;
	size_t disk_count;		// that it was spawned with
	struct vm_leaving *leaving;	// what was prepared for closing its disks in a move; NULL: nothing
	bool fds_linger;		// QEMU holds the disks' descriptors twice until its vcpus run (FACTS 3c)
	double stopped_ms, resumed_ms;	// of the last STOP and RESUME
	bool io_stopped;		// an I/O error is about to stop it
	bool boots;			// it has not run a first instruction yet, and reads the clock itself
	struct guest_clock clock;
	struct vm_health health;
	pid_t console_pid;		// of the process whose console somebody uses; 0: nobody
	// What it is held to now: control.c.
	uint32_t cpu_weight;		// of its scope; 0: not set yet
	bool throttled, shaped;		// a disk, a NIC has, or may have, limits
	uint64_t balloon_asked, balloon_mib;	// what it is to be left, or BALLOON_...; what it has, 0: not known
	char control_error[160];	// why it is not as it should be; "": it is
	bool disks_unfinished;		// a disk of it was found half written: it is not tried again by itself
	bool reconnecting, doomed;	// doomed: freed when reconnecting is over
};

struct vm *vm_new(struct group *group, const Holdfast__Vm *definition, struct error *err) MUST_CHECK;
void vm_free(struct vm *vm);		// a living QEMU is left alone

// The state's one door. vm_event logs what it refuses.
int vm_event(struct vm *vm, enum vm_event event, struct error *err) MUST_CHECK;
void vm_event_now(struct vm *vm, enum vm_event event);	// where the table cannot refuse: logged if it does
int vm_phase(struct vm *vm, const char *phase, struct error *err) MUST_CHECK;	// writes the record
void vm_reason(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));
int vm_path(const struct vm *vm, const char *file, char *path, size_t size, struct error *err) MUST_CHECK;
bool vm_has_process(const struct vm *vm);
bool vm_takes_room(const struct vm *vm);	// is up, or about to be
bool vm_is_up(const struct vm *vm);	// running, paused, or on its way from or to it: it uses memory

// Watches the process in vm->guest through PIDFD (taken over).
void vm_watch(struct vm *vm, int pidfd);
int vm_connect(struct vm *vm, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits: QMP
// Once its vcpus run: QEMU lets go of the descriptors that vm_attach_disks passed.
// One disk that was added to a QEMU, on HOLD until now.
int vm_attach_disk(struct vm *vm, size_t i, struct error *err) MUST_CHECK;	// waits
// ERROR_BUSY: QEMU has its volume still open.
int vm_await_disk_closed(struct vm *vm, size_t i, struct error *err) MUST_CHECK;	// waits
int vm_disks_after_continue(struct vm *vm, struct error *err) MUST_CHECK;	// waits
void vm_leaving_clear(struct vm *vm);	// what vm_disks_ready_to_leave has noted
// Sizes of its disks as the guest sees them, in their order, for vm_spawn.
int vm_disk_bytes(struct vm *vm, uint64_t bytes[QEMU_DISKS_MAX], struct error *err) MUST_CHECK;
int vm_query_status(struct vm *vm, char status[32], struct error *err) MUST_CHECK;	// waits: QEMU's run state
int vm_kill(struct vm *vm, unsigned timeout_ms, struct error *err) MUST_CHECK;	// waits: SIGKILL, until it is gone
// The last line that its QEMU left on stderr; "" if there is none.
void vm_last_words(const struct vm *vm, char *words, size_t size);
// The QEMUs of two VMs change places, with the watch on them and what the guest is made of; neither may be waited for.
void vm_exchange_process(struct vm *a, struct vm *b);
void vm_forget_process(struct vm *vm);	// after its end: no record, no sockets

// vm-keeper.c
void keeper_on_death(struct vm *vm);		// from the loop: the process ended, and nobody had asked for it
void keeper_on_power_off(struct vm *vm);	// from the loop: the guest powered itself off
// The group's mutex is held: ends a guest in trouble and starts it again, which counts as a restart; WHY as in "it ...".
void keeper_replace(struct group *group, struct vm *vm, const char *why);	// waits
void keeper_schedule(struct vm *vm);		// start it if it should run and does not

#define BALLOON_ALL 0
#define BALLOON_UNKNOWN UINT64_MAX
#define QMP_TIMEOUT_MS 30000		// one command that does no more than change QEMU's state

#endif
