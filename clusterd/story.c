// SPDX-License-Identifier: GPL-3.0-or-later
// Failovers from their parts. The loss is the moment when corosync saw it; nobody in the cluster can know when the node
// really died.
#include "clusterd/story.h"

#include <glib.h>
#include <string.h>

#include "proto/json.h"

const Holdfast__Event *story_last(
	const struct event_store *store, const char *kind, const char *node, int64_t since_us)
{
	for (size_t i = event_store_count(store); i > 0; i--) {
		const Holdfast__Event *event = event_store_at(store, i - 1);

		if (event_time_us(event->time) < since_us)
			return NULL;
		if (!strcmp(event->kind, kind) && !strcmp(event->node, node))
			return event;
	}
	return NULL;
}

static void add_step(Holdfast__Event *event, const char *name, double ms)
{
	Holdfast__Step *step = g_new0(Holdfast__Step, 1);

	holdfast__step__init(step);
	step->name = g_strdup(name);
	step->ms = ms > 0 ? ms : 0;
	event->steps = g_renew(Holdfast__Step *, event->steps, event->n_steps + 1);
	event->steps[event->n_steps++] = step;
}

static char *steps_text(const Holdfast__Event *event)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < event->n_steps; i++)
		g_string_append_printf(
			text, "%s%s %.0f ms", i ? ", " : "", event->steps[i]->name, event->steps[i]->ms);
	return g_string_free(text, FALSE);
}

bool story_failover(const struct event_store *store, const Holdfast__Event *started, const char *previous,
	int64_t owned_us, enum story_fencing fencing, Holdfast__Event **failover)
{
	int64_t running_us = event_time_us(started->time);
	int64_t begin_us = running_us - (int64_t)(started->duration_ms * 1000);

	if (!strcmp(previous, started->node))
		return false;
	const Holdfast__Event *lost = story_last(store, "node-lost", previous, owned_us);
	int64_t lost_us = lost ? event_time_us(lost->time) : 0;
	if (!lost || lost_us > running_us)
		return false;
	const Holdfast__Event *fenced = story_last(store, "node-fenced", previous, lost_us);
	if (!fenced && fencing == STORY_FENCED)
		return false;
	Holdfast__Event *event = g_new0(Holdfast__Event, 1);
	holdfast__event__init(event);
	event->kind = g_strdup("failover");
	event->node = g_strdup(started->node);
	event->group = g_strdup(started->group);
	event->duration_ms = (double)(running_us - lost_us) / 1000;
	event->pause_ms = event->duration_ms;
	if (fenced && event_time_us(fenced->time) <= begin_us) {
		add_step(event, "fence", (double)(event_time_us(fenced->time) - lost_us) / 1000);
		add_step(event, "plan", (double)(begin_us - event_time_us(fenced->time)) / 1000);
	} else {
		add_step(event, "fence+plan", (double)(begin_us - lost_us) / 1000);
	}
	for (size_t i = 0; i < started->n_steps; i++)
		add_step(event, started->steps[i]->name, started->steps[i]->ms);
	g_autofree char *steps = steps_text(event);
	event->text =
		g_strdup_printf("group %s was taken over from %s by %s, %.1f s after the loss was seen: %s",
			started->group, previous, started->node, event->duration_ms / 1000, steps);
	*failover = event;
	return true;
}
