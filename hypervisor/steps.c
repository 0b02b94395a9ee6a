// SPDX-License-Identifier: GPL-3.0-or-later
// Adds up how long each named part took. Knows nothing of what the parts are.
#include "hypervisor/steps.h"
#include <stdlib.h>
#include <string.h>

void steps_begin(struct steps *steps)
{
	memset(steps, 0, sizeof(*steps));
	steps->begin_ms = steps->last_ms = loop_now_ms();
}

static void add(struct steps *steps, const char *name, double passed)
{
	for (size_t i = 0; i < steps->count; i++) {
		if (!strcmp(steps->step[i].name, name)) {
			steps->step[i].ms += passed;
			return;
		}
	}
	if (steps->count < STEPS_MAX) {
		steps->step[steps->count].name = name;
		steps->step[steps->count++].ms = passed;
	}
}

void steps_mark(struct steps *steps, const char *name)
{
	if (!steps)
		return;
	double now = loop_now_ms(), passed = now - steps->last_ms;
	steps->last_ms = now;
	add(steps, name, passed);
}

void steps_take(struct steps *steps, const struct steps *part)
{
	if (!steps)
		return;
	for (size_t i = 0; i < part->count; i++)
		add(steps, part->step[i].name, part->step[i].ms);
	steps->last_ms = loop_now_ms();
}

double steps_total(const struct steps *steps)
{
	return loop_now_ms() - steps->begin_ms;
}

Holdfast__Step **steps_messages(const struct steps *steps, size_t *count)
{
	Holdfast__Step **messages = calloc(steps->count + 1, sizeof(*messages));
	*count = 0;
	for (size_t i = 0; messages && i < steps->count; i++) {
		Holdfast__Step *step = malloc(sizeof(*step));
		if (!step)
			break;
		holdfast__step__init(step);
		step->name = strdup(steps->step[i].name);
		step->ms = steps->step[i].ms;
		messages[(*count)++] = step;
	}
	return messages;
}

void steps_messages_free(Holdfast__Step **messages, size_t count)
{
	for (size_t i = 0; messages && i < count; i++)
		holdfast__step__free_unpacked(messages[i], NULL);
	free(messages);
}
