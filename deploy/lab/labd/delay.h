// SPDX-License-Identifier: GPL-3.0-or-later
// Frames that are held back for a time. Keeps them in the order in which they are due; bounded, what does not fit is dropped as a
// full router would. Knows no ports: a frame comes out with the number that it was put in with.
#ifndef LABD_DELAY_H
#define LABD_DELAY_H

#include <stddef.h>
#include <stdint.h>
#include "common/loop.h"

struct delay_queue;
typedef void delay_out_cb(unsigned port, const uint8_t *frame, size_t bytes, void *data);

struct delay_queue *delay_queue_new(struct loop *loop, delay_out_cb *out, void *data);
void delay_queue_free(struct delay_queue *queue);
void delay_queue_put(struct delay_queue *queue, unsigned ms, unsigned port, const uint8_t *frame, size_t bytes);

#endif
