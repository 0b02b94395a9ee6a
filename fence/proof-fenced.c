// SPDX-License-Identifier: GPL-3.0-or-later
// Proof by the cluster: its own record of the node says "down", which it says only after fencing succeeded (by an agent or by an administrator's
// confirmation) or after the node had stopped everything and left, and takes back as soon as the node joins. The fencer's history names which.
// SINCE is not compared with other nodes' clocks: the record cannot be older than the node's last time in the cluster.
#include "fence/proof-sources.h"

#include <stdio.h>
#include <string.h>
#include <crm/common/results.h>
#include <crm/stonith-ng.h>
#include "clusterd/cib.h"

#define ASK_MS 5000

static bool is_end_of_node(const stonith_history_t *entry, const char *node)
{
	return entry->state == st_done && entry->target && !strcmp(entry->target, node) && entry->action &&
		strcmp(entry->action, "on");
}

// When and how the node was last fenced; 0 if the fencer does not know, which changes the words and not the proof.
static time_t last_fenced(const char *node, bool *by_human)
{
	stonith_t *fencer = stonith_api_new();
	stonith_history_t *history = NULL;
	time_t when = 0;
	int fd;

	*by_human = false;
	if (!fencer)
		return 0;
	if (fencer->cmds->connect(fencer, "holdfast-proof", &fd) == pcmk_ok) {
		if (fencer->cmds->history(fencer, st_opt_sync_call, node, &history, ASK_MS / 1000) == pcmk_ok)
			for (const stonith_history_t *entry = history; entry; entry = entry->next)
				if (is_end_of_node(entry, node) && entry->completed >= when) {
					when = entry->completed;
					*by_human = entry->delegate && !strcmp(entry->delegate, "a human");
				}
		stonith_history_free(history);
		fencer->cmds->disconnect(fencer);
	}
	stonith_api_delete(fencer);
	return when;
}

static int check(const char *node, time_t since, struct proof *proof, struct error *err)
{
	struct cib *cib = cib_open(NULL, "holdfast-proof", ASK_MS, err);
	struct error why = ERROR_INIT;
	enum cib_life life;
	bool by_human;

	if (!cib)
		return -1;
	int status = cib_read_life(cib, node, &life, &why);
	cib_close(cib);
	if (status < 0)
		return why.code == ERROR_NOT_FOUND ? 0 : error_copy(err, &why);
	if (life != CIB_LIFE_DOWN)
		return 0;
	proof->when = last_fenced(node, &by_human);
	proof->kind = !proof->when ? "left the cluster in order"
		: by_human	   ? "confirmed by an administrator"
				   : "fenced";
	return 1;
}

const struct proof_source proof_fenced = { "the cluster", check };
