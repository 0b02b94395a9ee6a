// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the lab's JSON file. Every field is required and checked; knows nothing of what the fields are used for.
#include "deploy/lab/labd/config.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"

static void cleanup_json_p(json_t **json)
{
	json_decref(*json);
}

static int take_string(const json_t *object, const char *field, char **text, struct error *err)
{
	const char *value = json_string_value(json_object_get(object, field));

	if (!value || !*value)
		return error_set(err, ERROR_USAGE, "lab configuration: '%s' is missing or not a text", field);
	*text = strdup(value);
	return *text ? 0 : error_set(err, ERROR_FAILED, "out of memory");
}

static int take_argv(const json_t *object, char ***argv, struct error *err)
{
	const json_t *list = json_object_get(object, "argv");
	size_t count = json_array_size(list);

	if (count == 0)
		return error_set(err, ERROR_USAGE, "lab configuration: 'argv' is missing or empty");
	*argv = calloc(count + 1, sizeof(**argv));
	if (!*argv)
		return error_set(err, ERROR_FAILED, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const char *word = json_string_value(json_array_get(list, i));

		(*argv)[i] = word ? strdup(word) : NULL;
		if (!(*argv)[i])
			return error_set(
				err, ERROR_USAGE, "lab configuration: 'argv' has an entry that is no text");
	}
	return 0;
}

static int take_node(struct lab_config *config, const json_t *object, struct error *err)
{
	struct node_config *node = &config->nodes[config->count];
	json_int_t id = json_integer_value(json_object_get(object, "id"));

	if (config->count == LAB_NODES_MAX)
		return error_set(err, ERROR_USAGE, "lab configuration: more than %d nodes", LAB_NODES_MAX);
	config->count++;
	if (take_string(object, "name", &node->name, err) < 0 ||
		take_string(object, "site", &node->site, err) < 0 ||
		take_string(object, "directory", &node->directory, err) < 0 ||
		take_argv(object, &node->argv, err) < 0)
		return -1;
	if (id < 1 || id > 99)
		return error_set(
			err, ERROR_USAGE, "lab configuration: node '%s' has no id from 1 to 99", node->name);
	node->id = (unsigned)id;
	if (asprintf(&node->umid, "%s/umid/%s", config->runtime, node->name) < 0)
		return error_set(err, ERROR_FAILED, "out of memory");
	return 0;
}

int lab_config_read(struct lab_config *config, const char *path, struct error *err)
{
	json_error_t why;
	__attribute__((cleanup(cleanup_json_p))) json_t *root = json_load_file(path, 0, &why);
	const json_t *node;
	size_t i;

	*config = (struct lab_config){ 0 };
	if (!root)
		return error_set(
			err, ERROR_USAGE, "lab configuration %s, line %d: %s", path, why.line, why.text);
	if (take_string(root, "runtime", &config->runtime, err) < 0 ||
		take_string(root, "key", &config->key, err) < 0)
		return -1;
	json_array_foreach (json_object_get(root, "nodes"), i, node) {
		if (take_node(config, node, err) < 0)
			return -1;
	}
	if (config->count == 0)
		return error_set(err, ERROR_USAGE, "lab configuration %s has no nodes", path);
	return 0;
}

void lab_config_done(struct lab_config *config)
{
	for (unsigned i = 0; i < config->count; i++) {
		struct node_config *node = &config->nodes[i];

		free(node->name);
		free(node->site);
		free(node->umid);
		free(node->directory);
		for (char **word = node->argv; word && *word; word++)
			free(*word);
		free(node->argv);
	}
	free(config->runtime);
	free(config->key);
}

int lab_config_find(const struct lab_config *config, const char *name)
{
	for (unsigned i = 0; i < config->count; i++) {
		if (strcmp(config->nodes[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

const char *lab_net_name(enum lab_net net)
{
	return net == NET_DATA ? "data" : "mgmt";
}
