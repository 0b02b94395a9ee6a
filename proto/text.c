// SPDX-License-Identifier: GPL-3.0-or-later
// See text.h.
#include "proto/text.h"

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>

int proto_set_text(char **field, const char *text, struct error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return error_set(err, ERROR_NO_SPACE, "no memory for a message");
	if (*field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}
