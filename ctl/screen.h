// SPDX-License-Identifier: GPL-3.0-or-later
// What a guest shows, without joining it: its screen in a file, the last lines of its console.
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include "ctl/session.h"

int screen_save(struct session *session, char *vm, const char *file, struct error *err) MUST_CHECK;	// waits; FILE "-": stdout
int console_tail(struct session *session, char *vm, uint32_t lines, struct error *err) MUST_CHECK;	// waits

#endif
