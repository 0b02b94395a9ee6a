// SPDX-License-Identifier: GPL-3.0-or-later
// See fence-decide.h. Order matters: nothing is written that a later line would regret.
#include "fence/fence-decide.h"

#include <stddef.h>

enum verdict fence_decide(const struct sight *sight)
{
	if (sight->connected)
		return VERDICT_MOOT;
	if (!sight->clustered ||
		!sight->quorate) // without quorum the CIB here may be an old one, and a record in it a lie
		return VERDICT_WAIT;
	if (sight->record == RECORD_OTHERS) // the peer went on alone before us
		return VERDICT_REFUSE;
	if (sight->peer_member) {
		if (!sight->settled)
			return VERDICT_WAIT;
		if (!sight->primary && sight->peer_active)
			return sight->moving ? VERDICT_REFUSE : VERDICT_PRIMARY;
	}
	if (!sight->recorded)
		return VERDICT_RECORD;
	if (sight->peer_member)
		return VERDICT_OUTDATED;
	return sight->proof ? VERDICT_FENCED : VERDICT_WAIT;
}

static const struct {
	int exit_code;
	const char *text;
} verdicts[] = {
	[VERDICT_WAIT] = { 1, "no proof in time that the peer is gone: I/O stays frozen" },
	[VERDICT_RECORD] = { 1, "the cluster did not take the record in time: I/O stays frozen" },
	[VERDICT_OUTDATED] = { 4, "the peer lives, and the record keeps it from being promoted" },
	[VERDICT_PRIMARY] = { 6, "the peer has the group running: this copy is the old one" },
	[VERDICT_FENCED] = { 7, "the peer is gone" },
	[VERDICT_REFUSE] = { 1, "refused" },
	[VERDICT_MOOT] = { 1, "the link is back" },
};

int fence_exit_code(enum verdict verdict)
{
	return verdicts[verdict].exit_code;
}

const char *fence_verdict_text(enum verdict verdict)
{
	return verdicts[verdict].text;
}
