// SPDX-License-Identifier: GPL-3.0-or-later
// labd's record of what happened to the lab, a line each with the wall-clock time: tests and timelines read it (labd.log).
#ifndef LABD_JOURNAL_H
#define LABD_JOURNAL_H

void journal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
