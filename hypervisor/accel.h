// SPDX-License-Identifier: GPL-3.0-or-later
// Which accelerator guests run with. /dev/kvm alone proves nothing: on some virtual machines it opens and a 64-bit guest hangs; the CPU must
// have the flag too.
#ifndef HYPERVISOR_ACCEL_H
#define HYPERVISOR_ACCEL_H

#include <stdbool.h>
#include "common/error.h"

// WISH: auto, kvm or tcg. ERROR_FAILED if KVM is asked for and is not real.
int accel_choose(const char *wish, bool *kvm, struct error *err) MUST_CHECK;
// Whether a line of /proc/cpuinfo has one of the flags. Pure.
bool accel_line_has_flag(const char *line);

#endif
