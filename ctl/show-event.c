// SPDX-License-Identifier: GPL-3.0-or-later
// Events as a timeline, and the times of a move step by step.
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/show.h"
#include "ctl/value.h"

#define INDENT 24 // the width of a time and a blank

char *show_steps(Holdfast__Step *const *steps, size_t count)
{
	char *text = NULL, ms[VALUE_BYTES];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s %s", i ? ", " : "", steps[i]->name, value_show_ms(ms, steps[i]->ms));
	fclose(out);
	return text;
}

static enum colour kind_colour(const char *kind)
{
	static const struct {
		const char *part;
		enum colour colour;
	} colours[] = {
		{ "lost", COLOUR_BAD },
		{ "failed", COLOUR_BAD },
		{ "fenced", COLOUR_WARN },
		{ "failover", COLOUR_WARN },
		{ "joined", COLOUR_GOOD },
		{ "gained", COLOUR_GOOD },
		{ "started", COLOUR_GOOD },
		{ "move", COLOUR_GOOD },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strstr(kind, colours[i].part))
			return colours[i].colour;
	return COLOUR_NONE;
}

// What it is about: "web/db on a1".
static char *subject(const Holdfast__Event *event)
{
	const char *slash = event->group[0] && event->vm[0] ? "/" : "",
		   *thing = event->group[0] || event->vm[0] ? " on " : "";
	char *text;

	if (asprintf(&text, "%s%s%s%s%s", event->group, slash, event->vm, event->node[0] ? thing : "",
		    event->node) < 0)
		return NULL;
	return text;
}

static void show_times(const struct printer *printer, double duration_ms, double pause_ms,
	Holdfast__Step *const *steps, size_t count, int indent)
{
	char duration[VALUE_BYTES], pause[VALUE_BYTES];
	cleanup_free char *text = show_steps(steps, count);

	fprintf(printer->out, "%*s%s in all, the guests stood still for %s\n", indent, "",
		value_show_ms(duration, duration_ms), value_show_ms(pause, pause_ms));
	if (count == 0 || !text)
		return;
	fprintf(printer->out, "%*s", indent, "");
	print_text(printer, text);
	fputc('\n', printer->out);
}

void show_event(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__Event *event = (const void *)message;
	cleanup_free char *about = subject(event);
	char time[VALUE_BYTES], kind[24];

	print_text(printer, value_show_time(time, event->time));
	snprintf(kind, sizeof(kind), "%-15.23s", event->kind);
	fputc(' ', printer->out);
	print_colour(printer, kind_colour(event->kind), kind);
	print_line(printer, " %-16s %s", about ? about : "", event->text);
	if (event->n_steps || event->pause_ms > 0)
		show_times(
			printer, event->duration_ms, event->pause_ms, event->steps, event->n_steps, INDENT);
}

void show_event_list(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__EventList *list = (const void *)message;

	for (size_t i = 0; i < list->n_events; i++)
		show_event(printer, &list->events[i]->base);
}

void show_move(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__MoveResult *move = (const void *)message;

	print_line(printer, "group %s moved from %s to %s", move->group, move->from, move->to);
	show_times(printer, move->duration_ms, move->pause_ms, move->steps, move->n_steps, 2);
}

void show_refresh(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__RefreshResult *refresh = (const void *)message;

	print_line(printer, "VM %s runs in a new QEMU (%s, was %s)", refresh->vm, refresh->after,
		refresh->before);
	show_times(printer, refresh->duration_ms, refresh->pause_ms, refresh->steps, refresh->n_steps, 2);
}

void show_old_data(const struct printer *printer, const ProtobufCMessage *message)
{
	const Holdfast__OldData *old = (const void *)message;

	print_line(printer,
		"starting group %s%s%s on the data that it has now would lose what was written elsewhere "
		"since:",
		old->group, old->node[0] ? " on " : "", old->node);
	print_field(printer, "last seen", "%s", old->last_seen);
	print_field(printer, "lost", "%s", old->text);
}
