// SPDX-License-Identifier: GPL-3.0-or-later
// Values as people type and read them: sizes, durations, times. Pure; strict in what they take, with a line that shows what is taken.
#ifndef CTL_VALUE_H
#define CTL_VALUE_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include "common/error.h"

// "64M", "1G", "512MiB", plain bytes: powers of 1024 only. A decimal unit (MB) is refused, since half of those who type it mean MiB.
int value_size(const char *text, uint64_t *bytes, struct error *err) MUST_CHECK;
// Plain is MiB; with a unit it must be whole MiB.
int value_memory(const char *text, uint64_t *mib, struct error *err) MUST_CHECK;
// "90", "90s", "5m", "2h", "1d".
int value_seconds(const char *text, uint64_t *seconds, struct error *err) MUST_CHECK;
int value_number(const char *text, uint64_t least, uint64_t most, uint64_t *number, struct error *err) MUST_CHECK;	// most 0: no limit
int value_address(const char *text, struct error *err) MUST_CHECK;
// HOST or HOST:PORT or [V6]:PORT. *port stays if none is given. HOST is the size of the buffer's host.
int value_host(const char *text, char *host, size_t size, unsigned *port, struct error *err) MUST_CHECK;
// "10m" (ago), "14:30" (today), "2025-01-31", "2025-01-31 14:30", RFC 3339 with zone, or an event's id: as RFC 3339 in UTC with
// milliseconds, or the id itself. Local time unless a zone is given.
int value_since(const char *text, time_t now, char *out, size_t size, struct error *err) MUST_CHECK;

// For people. Each fills OUT and gives it back.
#define VALUE_BYTES 32
char *value_show_size(char out[VALUE_BYTES], uint64_t bytes);		// "64 MiB", "1.5 GiB"
char *value_show_ms(char out[VALUE_BYTES], double ms);			// "0.4 ms", "312 ms", "2.31 s", "2 min 5 s"
char *value_show_seconds(char out[VALUE_BYTES], uint64_t seconds);	// "48 s", "5 min 12 s", "3 h 2 min", "2 d 4 h"
// RFC 3339 UTC to local time with milliseconds; what is not one is shown as it is.
char *value_show_time(char out[VALUE_BYTES], const char *rfc3339);

// The word of WORDS (ends with NULL) that TYPED was most likely meant to be; NULL: none is near.
const char *value_nearest(const char *typed, const char *const words[]);

#endif
