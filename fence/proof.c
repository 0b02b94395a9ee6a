// SPDX-License-Identifier: GPL-3.0-or-later
// The list of proofs and how they are asked. Each kind is a file of its own; the recovery from the loss of a whole site by SBD's time-out will
// be one more line here.
#include "fence/proof.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include "fence/proof-sources.h"

#define LOOK_AGAIN_MS 250 // two of the sources give no event

const struct proof_source *const proof_sources[] = { &proof_fenced, &proof_confirmed, NULL };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// A source that cannot be asked now proves nothing, and does not keep the others from it.
int proof_check(const char *node, time_t since, struct proof *proof, struct error *err)
{
	struct error why = ERROR_INIT;

	for (size_t i = 0; proof_sources[i]; i++) {
		struct error own = ERROR_INIT;
		int result = proof_sources[i]->check(node, since, proof, &own);
		if (result > 0)
			return 1;
		if (result < 0 && !why.code) {
			error_copy(&why, &own);
			error_prefix(&why, "%s", proof_sources[i]->name);
		}
	}
	return why.code ? error_copy(err, &why) : 0;
}

int proof_await(const char *node, time_t since, unsigned timeout_ms, struct proof *proof, struct error *err)
{
	int64_t deadline = now_ms() + timeout_ms;
	struct error why = ERROR_INIT;

	for (;;) {
		error_clear(&why);
		if (proof_check(node, since, proof, &why) > 0)
			return 0;
		int64_t left = deadline - now_ms();
		if (left <= 0)
			break;
		poll(NULL, 0, left < LOOK_AGAIN_MS ? (int)left : LOOK_AGAIN_MS);
	}
	return error_set(err, ERROR_TIMEOUT, "there is no proof that node %s is gone%s%s", node,
		why.code ? ": " : "", why.message);
}
