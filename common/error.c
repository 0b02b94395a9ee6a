// SPDX-License-Identifier: GPL-3.0-or-later
// The error value. Every function copes with err == NULL.
#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_v(struct error *err, enum error_code code, int errnum, const char *format, va_list args)
{
	if (!err)
		return;
	err->code = code;
	err->errnum = errnum;
	vsnprintf(err->message, sizeof(err->message), format, args);
}

int error_set(struct error *err, enum error_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_v(err, code, 0, format, args);
	va_end(args);
	return -1;
}

static enum error_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return ERROR_NOT_FOUND;
	case EEXIST:
		return ERROR_EXISTS;
	case EACCES:
	case EPERM:
		return ERROR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
		return ERROR_NO_SPACE;
	case EBUSY:
		return ERROR_BUSY;
	case ETIMEDOUT:
		return ERROR_TIMEOUT;
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPIPE:
		return ERROR_UNREACHABLE;
	default:
		return ERROR_FAILED;
	}
}

int error_set_errno(struct error *err, int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_v(err, code_of_errno(errnum), errnum, format, args);
	va_end(args);
	if (err) {
		size_t used = strlen(err->message);
		snprintf(err->message + used, sizeof(err->message) - used, ": %s", strerror(errnum));
	}
	return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char old[sizeof(err->message)];
	va_list args;

	if (!err)
		return -1;
	memcpy(old, err->message, sizeof(old));
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	size_t used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", old);
	return -1;
}

void error_clear(struct error *err)
{
	if (err)
		*err = (struct error)ERROR_INIT;
}

int error_copy(struct error *to, const struct error *from)
{
	if (to && from)
		*to = *from;
	return -1;
}

int error_exit_status(enum error_code code)
{
	switch (code) {
	case ERROR_NONE:
		return 0;
	case ERROR_USAGE:
		return 2;
	case ERROR_NOT_FOUND:
		return 3;
	case ERROR_UNSAFE:
		return 4;
	default:
		return 1;
	}
}

const char *error_code_name(enum error_code code)
{
	static const char *const names[] = {
		[ERROR_NONE] = "none",
		[ERROR_FAILED] = "failed",
		[ERROR_USAGE] = "usage",
		[ERROR_NOT_FOUND] = "not found",
		[ERROR_UNSAFE] = "unsafe",
		[ERROR_EXISTS] = "exists",
		[ERROR_BUSY] = "busy",
		[ERROR_TIMEOUT] = "timeout",
		[ERROR_UNREACHABLE] = "unreachable",
		[ERROR_DENIED] = "denied",
		[ERROR_NO_SPACE] = "no space",
		[ERROR_PROTOCOL] = "protocol",
		[ERROR_CANCELLED] = "cancelled",
		[ERROR_CROWDED] = "crowded",
	};

	if ((unsigned)code >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[code];
}
