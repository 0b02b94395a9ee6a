// SPDX-License-Identifier: GPL-3.0-or-later
// DRBD calls this before this node's copy is overwritten by the peer's. It always succeeds: an error would drop the connection and repeat the
// resync for ever.
#include "fence/handler.h"

#include <stdlib.h>
#include <syslog.h>

int main(void)
{
	struct handler handler;
	struct error err = ERROR_INIT;
	const char *volume = getenv("DRBD_VOLUME");

	if (handler_init(&handler, "drbd-before-resync-target", &err) == 0)
		handler_say(&handler, LOG_NOTICE, "volume %s is about to be brought up to date from the peer",
			volume ? volume : "?");
	return 0;
}
