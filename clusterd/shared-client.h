// SPDX-License-Identifier: GPL-3.0-or-later
// An rpc client that several tasks use and that may die meanwhile: the last user frees it.
#ifndef CLUSTERD_SHARED_CLIENT_H
#define CLUSTERD_SHARED_CLIENT_H

#include <stdlib.h>
#include "common/rpc.h"

struct shared_client {
	struct rpc_client *client;
	unsigned references;
};

static inline struct shared_client *shared_client_new(struct rpc_client *client)
{
	struct shared_client *shared = malloc(sizeof(*shared));

	if (!shared) {
		rpc_client_free(client);
		return NULL;
	}
	*shared = (struct shared_client){.client = client, .references = 1};
	return shared;
}

static inline void shared_client_release(struct shared_client *shared)
{
	if (!shared || --shared->references)
		return;
	rpc_client_free(shared->client);
	free(shared);
}

#endif
