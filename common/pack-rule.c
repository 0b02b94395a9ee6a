// SPDX-License-Identifier: GPL-3.0-or-later
// See pack-rule.h.
#include "common/pack-rule.h"

#define MIB (1u << 20)
#define SKIP_BYTES MIB // buffers fill, and TCP finds its speed
#define WINDOW_BYTES MIB // that a rate is taken from
#define LOOK_US 5e3 // between two samples that do not shrink: each takes some 20
#define HOPELESS_BYTES (MIB / 8) // of a trial, to say from the packing alone that it is too slow
#define PAYS 1.1 // packing must be faster by this, because it takes a processor's time
#define SHRINKS 0.95
#define WAIT_WINDOWS 3
#define WEIGHT 0.25 // of a new window beside those before
#define FADES 0.1 // a slow window where it was faster before: others use the processors, and the network, too
#define FADES_TRIED 0.5
#define APART 100 // a trial's cost to the time until the next
#define APART_LEAST_US 50e3
#define APART_MOST_US 5e6
#define APART_PLAIN_US 500e3 // at most, while nothing is packed: a processor may have been busy then

void pack_rule_init(struct pack_rule *rule, bool always)
{
	*rule = (struct pack_rule){
		.always = always,
		.mode = always ? PACK_PACKED : PACK_PLAIN,
		.skip = SKIP_BYTES,
		.wait = WAIT_WINDOWS,
	};
}

static void window_begin(struct pack_rule *rule)
{
	rule->raw = rule->wire = 0;
	rule->us = rule->pack_us = 0;
	rule->queue_begin = rule->queue;
}

static void try(struct pack_rule *rule, enum pack_mode mode)
{
	rule->mode = mode;
	rule->trial = true;
	window_begin(rule);
}

// The next trial comes when its expected cost is small beside the time until then.
static void choose(struct pack_rule *rule, enum pack_mode mode)
{
	const double *rate = rule->rate;
	double slower = rate[PACK_PLAIN] > 0 ? 1 / rate[PACK_PLAIN] - 1 / rate[PACK_PACKED] : 0;
	// Packed, a piece takes no longer on the wire: what is lost is the packing.
	double apart_us = (mode == PACK_PLAIN ? rule->cost : slower) * WINDOW_BYTES * APART;

	apart_us = apart_us < APART_LEAST_US ? APART_LEAST_US : apart_us;
	double most_us = mode == PACK_PLAIN ? APART_PLAIN_US : APART_MOST_US;
	rule->due_us = rule->clock_us + (apart_us > most_us ? most_us : apart_us);
	rule->mode = mode;
	rule->trial = false;
	window_begin(rule);
}

bool pack_rule_asks(const struct pack_rule *rule)
{
	return !rule->always && rule->mode == PACK_PLAIN && !rule->trial && !rule->wait &&
		rule->clock_us >= rule->due_us && rule->clock_us >= rule->look_us;
}

void pack_rule_sampled(struct pack_rule *rule, bool shrinks)
{
	if (!pack_rule_asks(rule))
		return;
	if (shrinks)
		try(rule, PACK_PACKED);
	else
		rule->look_us = rule->clock_us + LOOK_US;
}

// What the kernel has taken in beyond what the peer got does not count: a buffer that fills looks like a fast network.
static double window_rate(const struct pack_rule *rule)
{
	double grown = rule->queue > rule->queue_begin ? (double)(rule->queue - rule->queue_begin) : 0;
	double wire = (double)rule->wire;
	double rate = (double)rule->raw / (rule->us > 1 ? rule->us : 1);

	return grown < wire ? rate * (wire - grown) / wire : rate / 100;
}

// What packing one piece after the other gives at least, where the network takes bytes as fast as it took those that were not packed: says more
// than one window on a network that others use too.
static double expected_rate(const struct pack_rule *rule)
{
	double us = rule->pack_us + (double)rule->wire / rule->rate[PACK_PLAIN];

	return (double)rule->raw / (us > 1 ? us : 1);
}

// However fast the network is.
static bool hopeless(const struct pack_rule *rule)
{
	return rule->mode == PACK_PACKED && rule->raw >= HOPELESS_BYTES &&
		(double)rule->raw < rule->pack_us * PAYS * rule->rate[PACK_PLAIN];
}

static void note_plain(struct pack_rule *rule)
{
	double *rate = &rule->rate[PACK_PLAIN], seen = window_rate(rule);
	double fades = rule->trial ? FADES_TRIED : FADES;

	*rate = seen > *rate ? seen : *rate + (seen - *rate) * fades;
	rule->wait -= rule->wait > 0;
}

static void note_packed(struct pack_rule *rule)
{
	double *rate = &rule->rate[PACK_PACKED], seen = window_rate(rule);
	double expected = expected_rate(rule);

	seen = expected > seen ? expected : seen;
	rule->cost = rule->pack_us / (double)rule->raw;
	*rate = rule->trial ? seen : *rate + (seen - *rate) * WEIGHT;
}

static void window_end(struct pack_rule *rule)
{
	if (rule->mode == PACK_PACKED)
		note_packed(rule);
	else
		note_plain(rule);
	if (rule->mode == PACK_PACKED && (double)rule->wire > SHRINKS * (double)rule->raw) {
		bool trial = rule->trial;
		choose(rule, PACK_PLAIN);
		if (!trial)
			rule->due_us = rule->clock_us; // that it pays is known, and other data may come
		rule->look_us = rule->clock_us + LOOK_US;
		return;
	}
	bool pays = rule->rate[PACK_PACKED] > PAYS * rule->rate[PACK_PLAIN];
	if (rule->trial)
		choose(rule, pays ? PACK_PACKED : PACK_PLAIN);
	else if (rule->mode == PACK_PACKED && !pays)
		choose(rule, PACK_PLAIN);
	else if (rule->mode == PACK_PACKED && rule->clock_us >= rule->due_us)
		try(rule, PACK_PLAIN);
	else
		window_begin(rule);
}

void pack_rule_note(struct pack_rule *rule, const struct pack_note *note)
{
	if (rule->always)
		return;
	rule->clock_us += note->us;
	rule->queue = note->queue;
	if (rule->skip) {
		rule->skip -= note->raw < rule->skip ? note->raw : rule->skip;
		window_begin(rule);
		return;
	}
	rule->raw += note->raw;
	rule->wire += note->wire;
	rule->us += note->us;
	rule->pack_us += note->pack_us;
	if (hopeless(rule)) {
		rule->rate[PACK_PACKED] = (double)rule->raw / rule->pack_us;
		rule->cost = rule->pack_us / (double)rule->raw;
		choose(rule, PACK_PLAIN);
	} else if (rule->raw >= WINDOW_BYTES) {
		window_end(rule);
	}
}
