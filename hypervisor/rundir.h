// SPDX-License-Identifier: GPL-3.0-or-later
// The run directory: what must be known of groups and guests on this node when hypervisord is dead, hangs, or starts again. Shared
// by hypervisord and the agent; emptied by a reboot. Blocking, small files.
//
//   /run/holdfast/groups/GROUP/spec.json     the definition that the group runs with (GroupSpec)
//   /run/holdfast/groups/GROUP/wanted        "started|stopped GENERATION", what Pacemaker wants here
//   /run/holdfast/groups/GROUP/lock          flock: held while wanted changes and while a guest is started
//   /run/holdfast/vms/VM/guest.json          pid, its start time, uid, group, phase, restarts
//   /run/holdfast/vms/VM/qemu.log            what its QEMU said on stderr
//   /run/holdfast/vms/VM/qmp.sock            QMP for hypervisord;  agent.sock: QMP for the agent
//   /run/holdfast/vms/VM/console.sock        the console's byte stream;  console.log: what it printed last
#ifndef HYPERVISOR_RUNDIR_H
#define HYPERVISOR_RUNDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/error.h"
#include "proto/definition.pb-c.h"

enum wanted { WANTED_UNKNOWN, WANTED_STOPPED, WANTED_STARTED };

// While a guest gets a new QEMU (vm-refresh.c) there are two records: VM is of the one that has the guest, VM.next of one that must not run it.
#define RUNDIR_NEXT ".next"

#define RUNDIR_RESTARTS 16	// the largest restart limit

struct rundir_guest {
	char vm[72], group[64];		// vm: a VM's name, with RUNDIR_NEXT behind it for the second QEMU of a refresh
	pid_t pid;
	uint64_t start_time;		// field 22 of /proc/PID/stat: pid + start time name a process for ever
	uid_t uid;
	char phase[24];			// RUNDIR_PHASE_...
	double cold_boot_ms;		// CLOCK_BOOTTIME ms of the guest's last cold boot or restore
	unsigned restart_count;		// in place; the times of the last ones, CLOCK_BOOTTIME ms
	double restart_ms[RUNDIR_RESTARTS];
};

// With a process (pid > 0):
#define RUNDIR_PHASE_SPAWNED "spawned"		// never ran
#define RUNDIR_PHASE_INCOMING "incoming"	// never ran; memory of a save or a move goes in
#define RUNDIR_PHASE_CONTINUING "continuing"	// everything is in place and it is let run: it may have run
#define RUNDIR_PHASE_RUNNING "running"		// has run; it may be paused
#define RUNDIR_PHASE_CHECKPOINT "checkpoint"	// running, but for the instant in which a checkpoint of it is taken
#define RUNDIR_PHASE_SAVING "saving"		// as running, but a saved state may be complete when it is gone
#define RUNDIR_PHASE_SAVING_PAUSED "saving-paused"	// as saving, of a guest that was paused
#define RUNDIR_PHASE_LEAVING "leaving"		// a move has released its disks: only the move may continue it
#define RUNDIR_PHASE_STOPPING "stopping"	// must not be restarted when it is gone
// Without one (pid 0):
#define RUNDIR_PHASE_SPAWNING "spawning"	// uid is taken; a process of that uid, if there is one, is ours and never ran
#define RUNDIR_PHASE_FAILED "failed"		// died more often than its restart limit allows: the group is not healthy
#define RUNDIR_PHASE_SHUT_DOWN "shut-down"	// the guest powered itself off; it stays off until somebody starts it

// PATH is made of ROOT (NULL: CONFIG_RUN_DIRECTORY; tests give their own).
struct rundir { const char *root; };

int rundir_group_lock(const struct rundir *run, const char *group, unsigned timeout_ms, int *fd, struct error *err) MUST_CHECK;	// close fd to unlock
int rundir_wanted_get(const struct rundir *run, const char *group, enum wanted *wanted, uint64_t *generation, struct error *err) MUST_CHECK;
int rundir_wanted_set(const struct rundir *run, const char *group, enum wanted wanted, uint64_t generation, struct error *err) MUST_CHECK;
int rundir_spec_get(const struct rundir *run, const char *group, Holdfast__GroupSpec **spec, struct error *err) MUST_CHECK;
int rundir_spec_set(const struct rundir *run, const Holdfast__GroupSpec *spec, struct error *err) MUST_CHECK;
int rundir_group_remove(const struct rundir *run, const char *group, struct error *err) MUST_CHECK;

int rundir_guest_get(const struct rundir *run, const char *vm, struct rundir_guest *guest, struct error *err) MUST_CHECK;
int rundir_guest_set(const struct rundir *run, const struct rundir_guest *guest, struct error *err) MUST_CHECK;
int rundir_guest_remove(const struct rundir *run, const char *vm, struct error *err) MUST_CHECK;	// the directory with its sockets
// The records of VM and VM.next change places, at once.
int rundir_guest_exchange(const struct rundir *run, const char *vm, struct error *err) MUST_CHECK;
bool rundir_is_next(const char *vm);	// whether it is the name of such a second record
// All guests with a record. *guests is one allocation.
int rundir_guest_list(const struct rundir *run, struct rundir_guest **guests, size_t *count, struct error *err) MUST_CHECK;
// Whether that very process still lives; *pidfd (may be NULL) is opened if so.
bool rundir_guest_alive(const struct rundir_guest *guest, int *pidfd);
int rundir_start_time(pid_t pid, uint64_t *start_time, struct error *err) MUST_CHECK;
int rundir_vm_path(const struct rundir *run, const char *vm, const char *file, char *path, size_t size, struct error *err) MUST_CHECK;

#endif
