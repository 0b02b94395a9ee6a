// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of migrate/ share: one move on one side, the register of moves, the journal. Nothing here is for other rooms.
#ifndef MIGRATE_INTERNAL_H
#define MIGRATE_INTERNAL_H

#include "common/rpc-tunnel.h"
#include "migrate/copy-rule.h"
#include "migrate/migrate.h"
#include "migrate/move-state.h"
#include "migrate/quick-memory.h"

#define MOVE_PROTOCOL 5u
#define MOVE_ID_BYTES 33 // 32 hex digits and NUL
#define MOVE_CALL_TIMEOUT_MS 10000u // one request to the peer
// One look at a copy. Under TCG QEMU answers nothing while it looks at all pages for the first time: up to 40 s with 2 GiB where the guest had been
// busy.
#define COPY_LOOK_TIMEOUT_MS 120000u
#define MOVE_BOUND_MS 30000u // a move that Pacemaker started by itself, in all
#define MOVE_STEPS 16
#define MOVE_VMS_MAX 256
#define STREAM_WITH_QEMU (-2) // in move_vm.stream

struct move_steps { // times of the parts of a move, in order
	Holdfast__Step step[MOVE_STEPS];
	size_t count;
	double lap_ms; // when the present step began
};

struct move_vm { // one VM that has a QEMU
	char name[64];
	int stream; // a descriptor until QEMU has it; -1: none yet
	struct quick_memory *memory; // of a quick move, past QEMU; NULL: QEMU's stream has all of it
	struct rpc_tunnel_meter *meter; // source: what its QEMU's stream has become on the wire
	pid_t pid; // source: of the QEMU that the move was prepared for
	uint32_t devices; // source: a sum of its definition then: devices may come and go
	struct copy_view copy; // source, live
	uint64_t share; // source: bytes per second that its QEMU was last told; 0: no limit
	bool ending; // source, live: QEMU itself has stopped it, and would let it run on if the transfer broke now
};

struct move {
	struct move *next;
	struct moves *moves;
	enum move_side side;
	enum move_state state;
	char id[MOVE_ID_BYTES];
	char group_name[64], peer[64];
	char *address; // source: of the target
	char *boot; // of the journal that it was read from, or ours
	uint64_t journal_sequence; // of the last record in its file; 0: there is no file yet
	uint64_t generation;
	struct group *group; // NULL for a record of an earlier boot
	char **paused; // names of the VMs that an administrator paused: they stay so
	size_t paused_count;
	struct move_vm *vms; // NULL after a restart of hypervisord
	size_t vm_count;
	struct rpc_client *control; // source: to the target
	struct task_wait lease_ready, lease_over; // source: the hello was answered `prepared`; it has ended
	struct error lease_error; // source: why
	bool leased; // source: the task that holds the hello still runs; target: the hello's handler does
	struct task_wait gone; // target: woken when the source is gone or the move has ended
	struct task_wait stream_came; // target: woken for each stream that arrives
	bool forgotten; // target: the source has finished: once the hello has returned, the record is of no use
	bool peer_gone; // target: the control connection is broken
	const Holdfast__MoveHello *hello; // target, while it prepares
	Holdfast__MoveKind kind;
	Holdfast__LivePolicy policy;
	unsigned max_pause_ms;
	uint64_t bandwidth; // of the whole move, bytes per second; 0: no limit
	bool may_wait; // source
	bool gentle; // source, live: copy nothing before the last passes, which stop the guests
	bool ready; // source, live: only the last passes are left
	bool rest_quick; // and they are copied while the guests stand still
	struct error why; // source: why it fails
	double begin_ms, quiesce_ms, pause_ms; // source: the move, its QUIESCE, and the guests' pause began
	struct move_steps steps;
};

struct moves {
	struct hypervisor *hv;
	struct tls_context *tls;
	struct move *first;
	char boot[64];
	char *directory; // STATE/moves
};

// moves.c
struct move *move_find(struct moves *moves, enum move_side side, const char *group);
struct move *move_find_id(struct moves *moves, enum move_side side, const char *id);
struct move *move_new(struct moves *moves, enum move_side side, const char *group, const char *id,
	const char *peer, struct error *err) MUST_CHECK;
void move_free(struct move *move); // unlinks; the journal stays
void move_pause_clear(struct move *move);
int move_pause_add(struct move *move, const char *vm,
	struct error *err) MUST_CHECK; // VM stays paused, whoever has it in the end
// Of what the move, and all moves that leave this node, may send in a second: what is one VM's. 0: no limit.
uint64_t move_share(const struct move *move);
int move_add_vm(struct move *move, const char *name, struct error *err) MUST_CHECK;
struct vm *move_vm_find(const struct move *move, size_t i); // NULL: it is gone
// Runs WORK for each of the move's VMs, at the same time, and waits for all. The first error is reported.
typedef int move_work_fn(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err);
int move_each(struct move *move, move_work_fn *work, struct error *err) MUST_CHECK; // waits
// The same for the group's VMs in STATE, which a move that was read from its journal does not know by name: ENTRY is NULL.
int move_each_in(
	struct move *move, Holdfast__VmState state, move_work_fn *work, struct error *err) MUST_CHECK; // waits
// AT_ONCE at the same time, and no other one is begun with once one has failed.
int move_each_few(struct move *move, size_t at_once, move_work_fn *work, struct error *err) MUST_CHECK; // waits
// Lets the guest go on, or stay paused, and hands it back to its keeper.
int move_resume(struct move *move, struct vm *vm, struct error *err) MUST_CHECK; // waits
void moves_settle_later(
	struct move *move); // a source whose outcome is not known: goes on asking in the background
// Takes the step that the table allows and writes the journal before it returns. -1: refused, or the journal could not be written (then
// the state is as before).
int move_advance(struct move *move, enum move_event event, struct error *err) MUST_CHECK;
void move_end(struct move *move); // MOVE_EV_END: the journal is deleted and the move freed

void move_steps_begin(struct move_steps *steps);
void move_steps_lap(
	struct move_steps *steps, const char *name); // the time since the last lap, under this (static) name
void move_steps_add(struct move_steps *steps, const char *name, double ms);

// What both sides must have alike: the size of a disk's volume; 0 for the state volume, which no guest sees.
int move_volume_bytes(struct moves *moves, const Holdfast__Group *group, size_t i, uint64_t *bytes, struct error *err) MUST_CHECK;
// The target's state and steps, copied.
int move_answer_fill(Holdfast__MoveAnswer *answer, const struct move *move, struct error *err) MUST_CHECK;

// journal.c
int move_journal_write(struct move *move, struct error *err) MUST_CHECK;
int move_journal_remove(
	const struct moves *moves, enum move_side side, const char *group, struct error *err) MUST_CHECK;
// Reads all journals into moves with `group` NULL. A file that cannot be read is moved aside, logged, and counts as absent.
int move_journal_load(struct moves *moves, struct error *err) MUST_CHECK;
int move_boot_id(char boot[64], struct error *err) MUST_CHECK;

// source*.c, target.c: all with the group's mutex held, but source_prepare, source_commit, source_cancel and the target_* requests
// (hello, stream, take, query), which take it themselves
int source_prepare(struct moves *moves, const Holdfast__MovePrepare *request, struct rpc_call *call,
	struct error *err) MUST_CHECK; // waits
int source_commit(struct moves *moves, const Holdfast__MoveCommit *request, struct rpc_call *call,
	struct error *err) MUST_CHECK; // waits
int source_cancel(struct moves *moves, const char *group, struct error *err) MUST_CHECK; // waits
void source_drop(struct move *move); // waits: nothing done to the guests but copying: close and forget
void source_close(struct move *move); // waits: ends the lease and the streams
struct group *source_group(struct moves *moves, const char *name, struct error *err) MUST_CHECK;
// Everything up to PREPARED. NULL with err set: nothing is left of it.
struct move *source_make(struct moves *moves, struct group *group, const Holdfast__MovePrepare *request,
	struct error *err) MUST_CHECK; // waits
// Whether the VMs are still those that it was prepared for; what is paused now is noted.
int source_check(struct move *move, struct error *err) MUST_CHECK;

// source-streams.c: opens what carries a VM's memory, and has the target expect it
int source_open_streams(struct move *move, struct move_vm *entry, struct vm *vm, struct error *err) MUST_CHECK; // waits

// precopy.c: the live part of a source
int precopy_begin(struct move *move, struct error *err) MUST_CHECK; // waits: PREPARED to PRECOPY
// Until only the last passes are left: the move called ID of GROUP is ready. Without the group's mutex, which it takes for each look.
// PRECOPY_MISSED: QEMU stopped a guest before it was time; it runs on, and the move is gone.
#define PRECOPY_MISSED (-3)
int precopy_run(struct moves *moves, const char *group, const char *id, struct rpc_call *call,
	struct error *err) MUST_CHECK; // waits
// The same with the group's mutex held throughout, for a move that Pacemaker waits for: what is left in the end is copied while the guests
// stand still.
int precopy_run_bounded(struct move *move, struct rpc_call *call, double deadline_ms, struct error *err) MUST_CHECK; // waits
// Before they are made: whether it is still good.
int precopy_check(struct move *move, struct error *err) MUST_CHECK; // waits
// The last passes, in QUIESCE: returns with the guests stopped, or about to be.
int precopy_finish(struct move *move, struct rpc_call *call, struct error *err) MUST_CHECK; // waits
void precopy_cancel(struct move *move); // waits: the guests run on
// Finds out what the target did, and acts on it; tries until it knows or the time is up.
int source_settle(struct move *move, unsigned timeout_ms, struct error *err) MUST_CHECK; // waits
int source_take_back(struct move *move, struct error *err) MUST_CHECK; // waits
int source_finish(struct move *move, struct error *err) MUST_CHECK; // waits: the target runs it

int target_hello(struct moves *moves, struct rpc_call *call, const Holdfast__MoveHello *hello,
	Holdfast__MoveAnswer *answer, struct error *err) MUST_CHECK;
int target_stream(struct moves *moves, struct rpc_call *call, const Holdfast__MoveStream *stream,
	struct error *err) MUST_CHECK;
bool target_waiting(const struct move *move); // for the source to stop its guests
int target_await_streams(struct move *move, struct error *err) MUST_CHECK; // waits
void target_peer_gone(struct move *move); // what is not committed yet never will be
int target_take(struct moves *moves, const Holdfast__MoveStep *step, Holdfast__MoveAnswer *answer,
	struct error *err) MUST_CHECK;
int target_query(struct moves *moves, const Holdfast__MoveStep *step, Holdfast__MoveAnswer *answer,
	struct error *err) MUST_CHECK;
int target_forward(struct move *move, struct error *err) MUST_CHECK; // committed: run
void target_let_go(struct
	move *move); // waits: not committed: close, demote, end the QEMUs; frees the move, or leaves that to its hello

// qemu-move.c: what a move asks of one QEMU
struct qemu_move_params {
	bool live, throttle;
	bool without_shared; // devices, and what memory is not shared
	uint64_t bandwidth; // bytes per second; 0: no limit
};
int qemu_move_prepare_source(struct vm *vm, const struct qemu_move_params *params, struct error *err) MUST_CHECK;
#define QEMU_MOVE_ANY_DOWNTIME_MS 2000000u // QEMU ends the copy as soon as it can
int qemu_move_set(struct vm *vm, uint64_t bandwidth, unsigned downtime_ms, struct error *err) MUST_CHECK;
// Parameters for a guest that is stopped: all that is left, at once. BANDWIDTH: the limit that there was; 0: none.
json_t *qemu_move_end_copy(uint64_t bandwidth);
int qemu_move_sample(struct vm *vm, struct copy_sample *sample, struct error *err) MUST_CHECK;
void qemu_move_measure_dirty(struct vm *vm); // begins; a second later:
double qemu_move_dirty_rate(struct vm *vm); // bytes per second; negative: not measured
void qemu_move_announce(struct vm *vm); // tells the network where the guest is now
// Before a target is ready. QEMU builds its memory map anew for each PCI device while it loads its state, and frees none of them until all is
// loaded: some 12 MB of heap, which the kernel would have to find and clear page by page while the guest stands still (25 ms where the memory is
// not at hand). Its longest answer makes it take as much before, and it keeps that.
int qemu_move_widen(struct vm *vm, struct error *err) MUST_CHECK;
// WITHOUT_SHARED: devices look into memory when they are loaded, so nothing is until qemu_move_load; else at once.
int qemu_move_prepare_target(struct vm *vm, int stream, bool without_shared, struct error *err) MUST_CHECK;
int qemu_move_load(struct vm *vm, struct error *err) MUST_CHECK;
int qemu_move_send(
	struct vm *vm, int stream, struct error *err) MUST_CHECK; // starts; does not wait for the end
int qemu_move_await(struct vm *vm, unsigned timeout_ms, const bool *stop,
	struct error *err) MUST_CHECK; // until completed, on either side
uint64_t qemu_move_bytes(struct vm *vm);	// waits: of memory, sent by the last migration; 0 if it is not known
int qemu_move_cancel(struct vm *vm, struct error *err) MUST_CHECK;
// After a cancel: a guest that QEMU had stopped for the end of the copy runs again, unless an administrator had paused it.
int qemu_move_went_on(struct vm *vm, bool paused, struct error *err) MUST_CHECK;

#endif
