// SPDX-License-Identifier: GPL-3.0-or-later
// Frames held back, sorted by due time, let out by one timer. Bounded in bytes. Knows no ports.
#include "deploy/lab/labd/delay.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define QUEUE_LIMIT_BYTES (64u << 20)

struct held_frame {
	TAILQ_ENTRY(held_frame) link;
	double due_ms;
	unsigned port;
	size_t bytes;
	uint8_t frame[];
};

struct delay_queue {
	struct loop *loop;
	struct loop_source *timer;
	delay_out_cb *out;
	void *data;
	size_t held_bytes;
	TAILQ_HEAD(held_list, held_frame) frames; // by due_ms
};

struct delay_queue *delay_queue_new(struct loop *loop, delay_out_cb *out, void *data)
{
	struct delay_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->loop = loop;
	queue->out = out;
	queue->data = data;
	TAILQ_INIT(&queue->frames);
	return queue;
}

static void drop_first(struct delay_queue *queue)
{
	struct held_frame *held = TAILQ_FIRST(&queue->frames);

	TAILQ_REMOVE(&queue->frames, held, link);
	queue->held_bytes -= held->bytes;
	free(held);
}

void delay_queue_free(struct delay_queue *queue)
{
	if (!queue)
		return;
	loop_source_remove(queue->timer);
	while (!TAILQ_EMPTY(&queue->frames))
		drop_first(queue);
	free(queue);
}

static enum loop_verdict timer_due(void *data);

static void arm(struct delay_queue *queue)
{
	const struct held_frame *first = TAILQ_FIRST(&queue->frames);
	double wait_ms;

	if (!first || queue->timer)
		return;
	wait_ms = first->due_ms - loop_now_ms();
	queue->timer = loop_add_timer(queue->loop, wait_ms > 0 ? (unsigned)wait_ms + 1 : 0, timer_due, queue);
}

static enum loop_verdict timer_due(void *data)
{
	struct delay_queue *queue = data;
	struct held_frame *held;

	queue->timer = NULL;
	while ((held = TAILQ_FIRST(&queue->frames)) && held->due_ms <= loop_now_ms()) {
		queue->out(held->port, held->frame, held->bytes, queue->data);
		drop_first(queue);
	}
	arm(queue);
	return LOOP_STOP;
}

void delay_queue_put(
	struct delay_queue *queue, unsigned ms, unsigned port, const uint8_t *frame, size_t bytes)
{
	struct held_frame *held, *before;

	if (queue->held_bytes + bytes > QUEUE_LIMIT_BYTES)
		return;
	held = malloc(sizeof(*held) + bytes);
	if (!held)
		return;
	held->due_ms = loop_now_ms() + ms;
	held->port = port;
	held->bytes = bytes;
	memcpy(held->frame, frame, bytes);
	queue->held_bytes += bytes;
	// Nearly always the new frame is the last one due.
	TAILQ_FOREACH_REVERSE(before, &queue->frames, held_list, link)
	{
		if (before->due_ms <= held->due_ms)
			break;
	}
	if (before) {
		TAILQ_INSERT_AFTER(&queue->frames, before, held, link);
		return;
	}
	TAILQ_INSERT_HEAD(&queue->frames, held, link);
	loop_source_remove(queue->timer);
	queue->timer = NULL;
	arm(queue);
}
