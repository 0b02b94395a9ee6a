// SPDX-License-Identifier: GPL-3.0-or-later
// The figures of a copy and what follows from them. See copy-rule.h.
#include "migrate/copy-rule.h"

#include <stdio.h>

#define MIB (1u << 20)
#define WINDOW_MS 50.0 // shorter ones say little
#define HOLD_LEAST (16u * MIB)
#define HOLD_MS 60.0 // a pass must not end between two looks at it
#define HOLD_LIMITED_S 10 // what is left then takes no longer than this: it can no longer be cancelled
#define DRAIN_GUESS (1024.0 * MIB) // bytes a second, before anything was seen
#define CONVERGES 0.7 // of what the stream carries
#define PASSES_TO_GIVE_UP 3
#define PASSES_THROTTLED 40 // with the guest's processors at their slowest

static void note_rates(struct copy_view *view, double now_ms)
{
	double passed_ms = now_ms - view->mark_ms;

	if (view->mark_ms > 0 && passed_ms < WINDOW_MS)
		return;
	if (view->mark_ms > 0 && !view->held) {
		double link = ((double)view->now.transferred - view->mark_bytes) * 1000 / passed_ms;
		double drain = (view->mark_remaining - (double)view->now.remaining) * 1000 / passed_ms;

		// Pages of zeros make the stream thin for a while: the most that was seen counts, and fades.
		if (link > view->link_bytes_s * 0.9)
			view->link_bytes_s = link;
		else
			view->link_bytes_s *= 0.99;
		if (view->mark_pass == view->now.passes && drain > view->drain_bytes_s)
			view->drain_bytes_s = drain;
	}
	view->mark_ms = now_ms;
	view->mark_bytes = (double)view->now.transferred;
	view->mark_remaining = (double)view->now.remaining;
	view->mark_pass = view->now.passes;
}

void copy_note(struct copy_view *view, const struct copy_sample *sample, double now_ms)
{
	if (sample->passes != view->now.passes || view->pass_ms <= 0)
		view->pass_ms = now_ms;
	view->now = *sample;
	view->now_ms = now_ms;
	if (sample->dirty_bytes_s > 0)
		view->dirty_bytes_s = sample->dirty_bytes_s;
	note_rates(view, now_ms);
}

double copy_pause_ms(const struct copy_view *view)
{
	double dirtied = view->dirty_bytes_s * (view->now_ms - view->pass_ms) / 1000;

	if (view->link_bytes_s <= 0)
		return view->now.remaining ? -1 : 0;
	if (dirtied > (double)view->now.total)
		dirtied = (double)view->now.total;
	return ((double)view->now.remaining + dirtied) * 1000 / view->link_bytes_s;
}

bool copy_converges(const struct copy_view *view)
{
	return view->link_bytes_s <= 0 || view->dirty_bytes_s < CONVERGES * view->link_bytes_s;
}

uint64_t copy_hold_bytes(const struct copy_view *view)
{
	double drain = view->drain_bytes_s > DRAIN_GUESS ? view->drain_bytes_s : DRAIN_GUESS;
	double hold = drain * HOLD_MS / 1000;
	double most = (double)view->now.total / 2;

	if (hold < HOLD_LEAST)
		hold = HOLD_LEAST;
	if (view->limit_bytes_s && most > (double)view->limit_bytes_s * HOLD_LIMITED_S)
		most = (double)view->limit_bytes_s * HOLD_LIMITED_S;
	return (uint64_t)(hold < most ? hold : most);
}

enum copy_verdict copy_judge(const struct copy_view *view, Holdfast__LivePolicy policy, unsigned max_pause_ms)
{
	bool begun = view->now.total && view->now.passes; // until then nothing remains because nothing is known

	if (!begun || view->now.remaining > copy_hold_bytes(view))
		return COPY_GO_ON;
	if (copy_converges(view))
		return COPY_HOLD;
	switch (policy) {
	case HOLDFAST__LIVE_POLICY__LIVE_KEEP_TRYING:
		return COPY_GO_ON;
	case HOLDFAST__LIVE_POLICY__LIVE_THROTTLE:
		return view->now.passes > PASSES_THROTTLED ? COPY_GIVE_UP : COPY_GO_ON;
	case HOLDFAST__LIVE_POLICY__LIVE_QUICK:
		if (view->now.passes >= PASSES_TO_GIVE_UP && copy_pause_ms(view) <= max_pause_ms)
			return COPY_HOLD_QUICK;
		return view->now.passes > 2 * PASSES_TO_GIVE_UP ? COPY_GIVE_UP : COPY_GO_ON;
	default:
		return view->now.passes >= PASSES_TO_GIVE_UP ? COPY_GIVE_UP : COPY_GO_ON;
	}
}

void copy_explain(const struct copy_view *view, char *text, size_t size)
{
	snprintf(text, size, "it writes to %.1f MiB/s of its memory and the stream carries %.1f MiB/s",
		view->dirty_bytes_s / MIB, view->link_bytes_s / MIB);
}
