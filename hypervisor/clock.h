// SPDX-License-Identifier: GPL-3.0-or-later
// The clocks that hypervisord writes down. CLOCK_BOOTTIME goes on while the machine is suspended and starts again when it boots, as the
// run directory does.
#ifndef HYPERVISOR_CLOCK_H
#define HYPERVISOR_CLOCK_H

#include <stdint.h>

double clock_boot_ms(void);
uint64_t clock_real_ms(void);			// CLOCK_REALTIME: generations
void clock_rfc3339(char text[32]);		// now, UTC, with milliseconds

#endif
