// SPDX-License-Identifier: GPL-3.0-or-later
// Whether packing a stream pays: judged by how fast its bytes, unpacked, really get through either way. Pure: it is told of each piece that has
// gone, and its clock is the time that the pieces took. The other way is tried again now and then, so seldom that the trials cost about a hundredth
// at most; data that does not shrink is never tried.
#ifndef COMMON_PACK_RULE_H
#define COMMON_PACK_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum pack_mode { PACK_PLAIN, PACK_PACKED };

struct pack_note { // a piece that has gone
	uint64_t raw, wire; // its bytes, and what became of them
	double us; // it took in all, waiting for the network too
	double pack_us; // packing it took
	uint64_t queue; // bytes that the kernel has and the peer has not, afterwards
};

struct pack_rule {
	enum pack_mode mode; // for the next piece
	bool always; // nothing is judged
	bool trial; // of `mode`, which is not known to be the better one
	double rate[2]; // of each mode, bytes per us; 0: not known
	uint64_t skip; // bytes that still say nothing: a connection begins
	unsigned wait; // windows until the rate as it is is known well enough
	double look_us; // when the data is worth a look again
	double cost; // of packing a byte, in us
	uint64_t raw, wire, queue_begin, queue; // of the present window
	double us, pack_us;
	double clock_us, due_us; // of the next trial
};

void pack_rule_init(struct pack_rule *rule, bool always);
// Whether a sample is wanted of what comes next; pack_rule_sampled tells if it shrinks, and may change the mode.
bool pack_rule_asks(const struct pack_rule *rule);
void pack_rule_sampled(struct pack_rule *rule, bool shrinks);
void pack_rule_note(struct pack_rule *rule, const struct pack_note *note);

#endif
