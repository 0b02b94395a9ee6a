// SPDX-License-Identifier: GPL-3.0-or-later
// See crew.h.
#include "hypervisor/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include "common/cleanup.h"

#define THREADS_MAX 16

struct crew {
	crew_fn *work;
	void *data;
	crew_buffer_fn *buffer;
	uint64_t count;
	_Atomic uint64_t next;
	_Atomic bool failed;
	pthread_mutex_t lock; // err
	struct error err; // of the first that failed
};

static void *member(void *data)
{
	struct crew *crew = data;
	struct error err = ERROR_INIT;
	cleanup_free uint8_t *buffer = crew->buffer ? crew->buffer() : NULL;
	int result =
		!crew->buffer || buffer ? 0 : error_set(&err, ERROR_FAILED, "no memory for a worker thread");
	while (!result && !atomic_load(&crew->failed)) {
		uint64_t number = atomic_fetch_add(&crew->next, 1);
		if (number >= crew->count)
			break;
		result = crew->work(crew->data, number, buffer, &err);
	}
	if (result) {
		pthread_mutex_lock(&crew->lock);
		if (!atomic_exchange(&crew->failed, true))
			crew->err = err;
		pthread_mutex_unlock(&crew->lock);
	}
	return NULL;
}

int crew_run(
	crew_fn *work, void *data, uint64_t count, size_t threads, crew_buffer_fn *buffer, struct error *err)
{
	struct crew crew = { .work = work,
		.data = data,
		.buffer = buffer,
		.count = count,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_t others[THREADS_MAX];
	size_t started = 0, wanted = threads < THREADS_MAX ? threads : THREADS_MAX;
	while (started + 1 < wanted && started + 1 < count &&
		!pthread_create(&others[started], NULL, member, &crew))
		started++;
	member(&crew);
	for (size_t i = 0; i < started; i++)
		pthread_join(others[i], NULL);
	return crew.failed ? error_copy(err, &crew.err) : 0;
}
