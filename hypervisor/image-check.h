// SPDX-License-Identifier: GPL-3.0-or-later
// Whether an image file may be opened at all: it must be what it is called, and lie whole in itself. An image that names further files (a
// backing file, an external data file, extents, a parent) would make whoever opens it open those. Pure but for pread; formats are never guessed.
#ifndef HYPERVISOR_IMAGE_CHECK_H
#define HYPERVISOR_IMAGE_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include "common/error.h"
#include "proto/api.pb-c.h"

// FD is a file or a device. Blocking, a few small reads. ERROR_UNSAFE if it names other files, ERROR_USAGE if it is no image of this format.
int image_check(int fd, Holdfast__ImageFormat format, struct error *err) MUST_CHECK;
// The same of the first BYTES of an image whose size is SIZE; BYTES is at least IMAGE_HEAD_BYTES, or all that there is.
int image_check_head(const uint8_t *head, size_t bytes, uint64_t size, Holdfast__ImageFormat format, struct error *err) MUST_CHECK;
#define IMAGE_HEAD_BYTES (64u << 10)
// After image_check: that what its tables point to is there. Reads all tables; blocking. ERROR_USAGE if it is truncated.
int image_check_whole(int fd, Holdfast__ImageFormat format, struct error *err) MUST_CHECK;

const char *image_format_name(Holdfast__ImageFormat format);	// as QEMU's block drivers are called

#endif
