// SPDX-License-Identifier: GPL-3.0-or-later
// What the agent does without hypervisord: gives a group's volumes up, blocking, from a program that has no loop and no storage open.
#include "storage/internal.h"

#include "storage/file-lock.h"

int storage_demote_blocking(const Holdfast__Group *group, struct error *err)
{
	struct config config = { 0 };
	int result = config_load(CONFIG_FILE, &config, err);

	if (result == 0)
		result = storage_file_demote_blocking(group, config.directory, err);
	config_done(&config);
	return result;
}
