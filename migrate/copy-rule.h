// SPDX-License-Identifier: GPL-3.0-or-later
// What a live move decides from the figures of one guest's copy: is it fast enough, is it near its end, how long would the guest stand still.
// Pure. A copy is held back just before the end of a pass, because QEMU ends it, and stops the guest, when nothing is left.
#ifndef MIGRATE_COPY_RULE_H
#define MIGRATE_COPY_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/definition.pb-c.h"

enum copy_status { COPY_NONE, COPY_ACTIVE, COPY_COMPLETED, COPY_FAILED };

struct copy_sample { // of QEMU, at one moment
	enum copy_status status;
	uint64_t total, remaining, transferred; // bytes
	uint64_t passes; // begun so far, the first too
	double dirty_bytes_s; // between the last two passes; 0: not known yet
	unsigned throttle_percent; // of the guest's processors
};

struct copy_view { // what is known of it by now
	struct copy_sample now;
	double now_ms, pass_ms; // when it was seen; when the present pass was first seen
	double mark_ms, mark_bytes, mark_remaining; // begin of the window that the rates are measured in
	uint64_t mark_pass;
	double link_bytes_s; // that the stream carries; 0: not known yet
	double drain_bytes_s; // the most that was seen to go from `remaining`, pages of zeros too
	double dirty_bytes_s; // that the guest writes to
	uint64_t limit_bytes_s; // that the stream may carry; 0: no limit
	bool held; // it is at its hold: the rates say nothing
};

// dirty_bytes_s may be set before the first sample, from a measurement.
void copy_note(struct copy_view *view, const struct copy_sample *sample, double now_ms);

// How long the guest would stand still if it were stopped now, in milliseconds; negative: not known.
double copy_pause_ms(const struct copy_view *view);
// Whether passes get shorter: what the guest writes is well below what the stream carries.
bool copy_converges(const struct copy_view *view);
// `remaining` at which a pass is held back.
uint64_t copy_hold_bytes(const struct copy_view *view);

enum copy_verdict {
	COPY_GO_ON,
	COPY_HOLD, // ready: the last passes will be short
	COPY_HOLD_QUICK, // ready: the rest is copied while the guest stands still, within the limit
	COPY_GIVE_UP,
};
// MAX_PAUSE_MS is for LIVE_QUICK.
enum copy_verdict copy_judge(const struct copy_view *view, Holdfast__LivePolicy policy, unsigned max_pause_ms);
// "it writes to 80.0 MiB/s of its memory and the stream carries 50.0 MiB/s": for people.
void copy_explain(const struct copy_view *view, char *text, size_t size);

#endif
