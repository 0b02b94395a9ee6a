// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes the node's configuration by one table of keys: what is not in the table is an error that names it. Knows no
// program's use of a value.
#include "common/config.h"
#include <glib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "common/name.h"

#define NETWORK_SECTION "network "
#define BRIDGE_MAX 15 // IFNAMSIZ less its end

enum key_kind { KEY_TEXT, KEY_NAME, KEY_PATH, KEY_CHOICE, KEY_NUMBER };

struct key {
	const char *section, *name;
	enum key_kind kind;
	size_t offset;
	const char *fallback; // of texts
	unsigned number, least, most; // of numbers
	const char *const *choices; // of choices, ends with NULL
};

static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
static const char *const isolations[] = { "full", "basic", NULL };
static const char *const compressions[] = { "auto", "off", "always", NULL };
static const char *const cores[] = { "no", "yes", NULL };

static const struct key keys[] = {
	{ "node", "name", KEY_NAME, offsetof(struct config, node), "", 0, 0, 0, NULL },
	{ "node", "site", KEY_NAME, offsetof(struct config, site), "", 0, 0, 0, NULL },
	{ "node", "address", KEY_TEXT, offsetof(struct config, address), "", 0, 0, 0, NULL },
	{ "hypervisor", "accel", KEY_CHOICE, offsetof(struct config, accel), "auto", 0, 0, 0, accels },
	{ "hypervisor", "isolation", KEY_CHOICE, offsetof(struct config, isolation), "full", 0, 0, 0,
		isolations },
	{ "hypervisor", "core-dumps", KEY_CHOICE, offsetof(struct config, core_dumps), "no", 0, 0, 0, cores },
	{ "hypervisor", "visible", KEY_TEXT, offsetof(struct config, visible), "", 0, 0, 0, NULL },
	{ "hypervisor", "qemu", KEY_PATH, offsetof(struct config, qemu), "/usr/bin/qemu-system-x86_64", 0, 0,
		0, NULL },
	{ "hypervisor", "uid-base", KEY_NUMBER, offsetof(struct config, uid_base), NULL, 2000000, 65536,
		4000000000u, NULL },
	{ "hypervisor", "memory-reserve-mib", KEY_NUMBER, offsetof(struct config, memory_reserve_mib), NULL,
		256, 0, 1u << 30, NULL },
	{ "hypervisor", "serial-directory", KEY_PATH, offsetof(struct config, serial_directory),
		CONFIG_LOG_DIRECTORY, 0, 0, 0, NULL },
	{ "cluster", "moves-at-once", KEY_NUMBER, offsetof(struct config, moves_at_once), NULL, 2, 1, 64,
		NULL },
	{ "migration", "bandwidth", KEY_NUMBER, offsetof(struct config, move_bandwidth_mib), NULL, 0, 0,
		1u << 20, NULL },
	{ "migration", "compression", KEY_CHOICE, offsetof(struct config, move_compression), "auto", 0, 0, 0,
		compressions },
	{ "hypervisor", "uefi-code", KEY_PATH, offsetof(struct config, uefi_code),
		"/usr/share/OVMF/OVMF_CODE_4M.fd", 0, 0, 0, NULL },
	{ "hypervisor", "uefi-vars", KEY_PATH, offsetof(struct config, uefi_vars),
		"/usr/share/OVMF/OVMF_VARS_4M.fd", 0, 0, 0, NULL },
	{ "storage", "pool", KEY_TEXT, offsetof(struct config, pool), "holdfast", 0, 0, 0, NULL },
	{ "storage", "directory", KEY_PATH, offsetof(struct config, directory),
		CONFIG_STATE_DIRECTORY "/volumes", 0, 0, 0, NULL },
	{ "storage", "image-directory", KEY_PATH, offsetof(struct config, image_directory),
		CONFIG_STATE_DIRECTORY "/images", 0, 0, 0, NULL },
	{ "api", "group", KEY_TEXT, offsetof(struct config, api_group), "holdfast", 0, 0, 0, NULL },
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static char **text_of(struct config *config, const struct key *key)
{
	return (char **)((char *)config + key->offset);
}

static unsigned *number_of(struct config *config, const struct key *key)
{
	_Static_assert(sizeof(uid_t) == sizeof(unsigned), "uid-base is read as an unsigned number");
	return (unsigned *)((char *)config + key->offset);
}

static const struct key *key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!strcmp(keys[i].section, section) && !strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static int set_number(struct config *config, const struct key *key, const char *value, struct error *err)
{
	guint64 number;
	if (!g_ascii_string_to_unsigned(value, 10, key->least, key->most, &number, NULL))
		return error_set(err, ERROR_USAGE, "%s must be a number from %u to %u, not \"%.60s\"",
			key->name, key->least, key->most, value);
	*number_of(config, key) = (unsigned)number;
	return 0;
}

static bool choice_known(const struct key *key, const char *value)
{
	for (size_t i = 0; key->choices[i]; i++)
		if (!strcmp(value, key->choices[i]))
			return true;
	return false;
}

static int set_value(struct config *config, const struct key *key, const char *value, struct error *err)
{
	if (key->kind == KEY_NUMBER)
		return set_number(config, key, value, err);
	if (key->kind == KEY_NAME && *value && name_check(key->name, value, err))
		return -1;
	if (key->kind == KEY_PATH && value[0] != '/')
		return error_set(
			err, ERROR_USAGE, "%s must be an absolute path, not \"%.60s\"", key->name, value);
	if (key->kind == KEY_CHOICE && !choice_known(key, value)) {
		char all[64] = "";
		for (size_t i = 0; key->choices[i]; i++)
			snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
				!i			      ? ""
					: key->choices[i + 1] ? ", "
							      : " or ",
				key->choices[i]);
		return error_set(err, ERROR_USAGE, "%s must be %s, not \"%.60s\"", key->name, all, value);
	}
	char **text = text_of(config, key);
	free(*text);
	*text = strdup(value);
	return *text ? 0 : error_set(err, ERROR_FAILED, "no memory for the configuration");
}

// The host's name up to its first dot, if it is a name by our rule.
static int default_node(struct config *config, struct error *err)
{
	char host[256] = "";
	if (config->node[0] || gethostname(host, sizeof(host) - 1))
		return 0;
	host[strcspn(host, ".")] = '\0';
	char *lower = g_ascii_strdown(host, -1);
	int result = name_valid(lower) ? set_value(config, key_find("node", "name"), lower, err) : 0;
	g_free(lower);
	return result;
}

static int set_defaults(struct config *config, struct error *err)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].kind == KEY_NUMBER)
			*number_of(config, &keys[i]) = keys[i].number;
		else if (set_value(config, &keys[i], keys[i].fallback, err))
			return -1;
	}
	return 0;
}

// ---- networks: a section each

static int check_network(const struct config *config, const char *name, const char *bridge, struct error *err)
{
	if (name_check("network", name, err))
		return -1;
	if (!strcmp(name, "user"))
		return error_set(err, ERROR_USAGE, "a network cannot be called user: that is QEMU's own");
	for (size_t i = 0; i < config->network_count; i++)
		if (!strcmp(config->networks[i].name, name))
			return error_set(err, ERROR_USAGE, "there are two networks %s", name);
	if (!bridge[0] || strlen(bridge) > BRIDGE_MAX || strpbrk(bridge, "/ \t"))
		return error_set(
			err, ERROR_USAGE, "network %s needs bridge= with the name of a bridge", name);
	return 0;
}

static int add_network(struct config *config, const char *name, const char *bridge, struct error *err)
{
	if (check_network(config, name, bridge, err))
		return -1;
	struct config_network *more =
		reallocarray(config->networks, config->network_count + 1, sizeof(*more));
	if (!more)
		return error_set(err, ERROR_FAILED, "no memory for the configuration");
	config->networks = more;
	struct config_network *network = &more[config->network_count++];
	network->name = strdup(name);
	network->bridge = strdup(bridge);
	return network->name && network->bridge
		? 0
		: error_set(err, ERROR_FAILED, "no memory for the configuration");
}

static bool is_network(const char *section)
{
	return !strncmp(section, NETWORK_SECTION, sizeof(NETWORK_SECTION) - 1);
}

static int load_network(GKeyFile *file, const char *section, struct config *config, struct error *err)
{
	const char *name = section + sizeof(NETWORK_SECTION) - 1;
	int result = 0;
	gchar **keys_there = g_key_file_get_keys(file, section, NULL, NULL);
	for (size_t i = 0; keys_there && keys_there[i] && !result; i++)
		if (strcmp(keys_there[i], "bridge"))
			result =
				error_set(err, ERROR_USAGE, "[%s] has no key \"%s\"", section, keys_there[i]);
	g_strfreev(keys_there);
	gchar *bridge = g_key_file_get_string(file, section, "bridge", NULL);
	if (!result)
		result = add_network(config, name, bridge ? g_strchomp(bridge) : "", err);
	g_free(bridge);
	return result;
}

// ---- the file

static int load_section(GKeyFile *file, const char *section, struct config *config, struct error *err)
{
	int result = 0;
	gchar **names = g_key_file_get_keys(file, section, NULL, NULL);
	for (size_t i = 0; names && names[i] && !result; i++) {
		const struct key *key = key_find(section, names[i]);
		gchar *value = g_key_file_get_string(file, section, names[i], NULL);
		if (!key)
			result = error_set(err, ERROR_USAGE, "[%s] has no key \"%s\"", section, names[i]);
		else
			result = set_value(config, key, value ? g_strchomp(value) : "", err);
		g_free(value);
	}
	g_strfreev(names);
	return result;
}

static int load_text(const char *text, struct config *config, struct error *err)
{
	GError *why = NULL;
	GKeyFile *file = g_key_file_new();
	int result = 0;
	if (!g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, &why)) {
		result = error_set(err, ERROR_USAGE, "%s", why->message);
		g_error_free(why);
	}
	gchar **sections = g_key_file_get_groups(file, NULL);
	for (size_t i = 0; sections && sections[i] && !result; i++) {
		bool known = is_network(sections[i]);
		for (size_t k = 0; k < KEY_COUNT; k++)
			known |= !strcmp(keys[k].section, sections[i]);
		if (!known)
			result = error_set(err, ERROR_USAGE, "there is no section [%s]", sections[i]);
		else if (is_network(sections[i]))
			result = load_network(file, sections[i], config, err);
		else
			result = load_section(file, sections[i], config, err);
	}
	g_strfreev(sections);
	g_key_file_free(file);
	return result;
}

int config_load(const char *path, struct config *config, struct error *err)
{
	struct error local = ERROR_INIT;
	char *text = NULL;
	int result = set_defaults(config, err);
	if (!result && file_read(path, 65536, &text, NULL, &local)) {
		if (local.code != ERROR_NOT_FOUND)
			result = error_copy(err, &local);
	} else if (!result && load_text(text, config, err)) {
		result = error_prefix(err, "%s", path);
	}
	free(text);
	if (!result)
		result = default_node(config, err);
	if (result)
		config_done(config);
	return result;
}

int config_save(const char *path, const struct config *config, struct error *err)
{
	GKeyFile *file = g_key_file_new();
	struct config *readable = (struct config *)config; // only read from here
	gsize length = 0;
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (keys[i].kind == KEY_NUMBER)
			g_key_file_set_uint64(
				file, keys[i].section, keys[i].name, *number_of(readable, &keys[i]));
		else
			g_key_file_set_string(
				file, keys[i].section, keys[i].name, *text_of(readable, &keys[i]));
	}
	for (size_t i = 0; i < config->network_count; i++) {
		gchar *section = g_strconcat(NETWORK_SECTION, config->networks[i].name, NULL);
		g_key_file_set_string(file, section, "bridge", config->networks[i].bridge);
		g_free(section);
	}
	gchar *text = g_key_file_to_data(file, &length, NULL);
	int result = file_write_atomic(path, text, length, 0644, err);
	g_free(text);
	g_key_file_free(file);
	return result;
}

void config_done(struct config *config)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (keys[i].kind != KEY_NUMBER)
			free(*text_of(config, &keys[i]));
	for (size_t i = 0; i < config->network_count; i++) {
		free(config->networks[i].name);
		free(config->networks[i].bridge);
	}
	free(config->networks);
	memset(config, 0, sizeof(*config));
}
