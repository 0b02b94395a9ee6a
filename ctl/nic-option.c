// SPDX-License-Identifier: GPL-3.0-or-later
// See nic-option.h. Whether there is such a network is checked where the VM is made.
#include "ctl/nic-option.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include "common/name.h"

static int set_model(Holdfast__Nic *nic, const char *value, struct error *err)
{
	static const struct {
		const char *word;
		Holdfast__NicModel model;
	} models[] = {
		{ "virtio", HOLDFAST__NIC_MODEL__NIC_VIRTIO },
		{ "e1000", HOLDFAST__NIC_MODEL__NIC_E1000 },
		{ "e1000e", HOLDFAST__NIC_MODEL__NIC_E1000E },
		{ "rtl8139", HOLDFAST__NIC_MODEL__NIC_RTL8139 },
	};
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		if (strcmp(models[i].word, value))
			continue;
		nic->model = models[i].model;
		return 0;
	}
	return error_set(err, ERROR_USAGE, "model: \"%.40s\" is none of virtio|e1000|e1000e|rtl8139", value);
}

static int set_mac(Holdfast__Nic *nic, char *value, struct error *err)
{
	bool good = strlen(value) == 17;
	for (size_t i = 0; good && i < 17; i++)
		good = i % 3 == 2 ? value[i] == ':' : isxdigit((unsigned char)value[i]) != 0;
	if (!good)
		return error_set(err, ERROR_USAGE, "mac: \"%.40s\" is no MAC address, like 52:54:00:12:34:56", value);
	if (strchr("13579bdfBDF", value[1]))
		return error_set(err, ERROR_USAGE, "mac: %s is a multicast address: no NIC can have it", value);
	nic->mac = value;
	return 0;
}

int nic_option_parse(char *text, Holdfast__Nic *nic, struct error *err)
{
	nic->network = strsep(&text, ",");
	if (name_check("network", nic->network, err))
		return -1;
	while (text) {
		char *value = strsep(&text, ",");
		char *key = strsep(&value, "=");
		if (!value)
			return error_set(err, ERROR_USAGE, "\"%.40s\" is no KEY=VALUE: a NIC has model= and mac=", key);
		int result = -1;
		if (!strcmp(key, "model"))
			result = set_model(nic, value, err);
		else if (!strcmp(key, "mac"))
			result = set_mac(nic, value, err);
		else
			error_set(err, ERROR_USAGE, "a NIC has no \"%.40s\": it has model= and mac=", key);
		if (result)
			return -1;
	}
	return 0;
}
