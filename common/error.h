// SPDX-License-Identifier: GPL-3.0-or-later
// The error value: made where something fails, passed up on the caller's stack, printed once at the boundary.
// A message is one line that says what, why, and what to do. Knows nothing of logging or of the wire.
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include <stdarg.h>

enum error_code {
	ERROR_NONE = 0,
	ERROR_FAILED = 1,	// could not be done
	ERROR_USAGE = 2,	// the request itself makes no sense
	ERROR_NOT_FOUND = 3,	// no such thing
	ERROR_UNSAFE = 4,	// refused: it could run a guest twice or lose a write
	ERROR_EXISTS = 5,
	ERROR_BUSY = 6,		// something else is going on with it; later
	ERROR_TIMEOUT = 7,
	ERROR_UNREACHABLE = 8,	// the other side does not answer or went away
	ERROR_DENIED = 9,	// not allowed for this caller
	ERROR_NO_SPACE = 10,	// disk, pool or memory is too small
	ERROR_PROTOCOL = 11,	// the other side sent what no correct peer sends
	ERROR_CANCELLED = 12,
	ERROR_CROWDED = 13,	// as many of these are under way as there may be; nothing has been done: ask again later
};

struct error {
	enum error_code code;
	int errnum;		// errno behind it, or 0
	char message[512];
};

#define ERROR_INIT { .code = ERROR_NONE }

// All return -1, so that a function can end with `return error_set(err, ...)`. ERR may be NULL.
int error_set(struct error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Appends ": " and strerror(errnum).
int error_set_errno(struct error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Puts a prefix and ": " before the message that is there.
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_clear(struct error *err);
int error_copy(struct error *to, const struct error *from);

// The command line's exit status (DESIGN.md section 8): 0, 1, 2, 3 or 4.
int error_exit_status(enum error_code code);
const char *error_code_name(enum error_code code);

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
