// SPDX-License-Identifier: GPL-3.0-or-later
// The reports of lvs and vgs (--reportformat json --units b --nosuffix): {"report":[{"lv":[{...}]}]}, every value a string. Pure.
#include "storage/lvm.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// The rows of KIND; *root is the caller's to json_decref.
static json_t *report(const char *text, const char *kind, json_t **root, struct error *err)
{
	json_error_t error;

	*root = json_loads(text, 0, &error);
	json_t *rows = json_object_get(json_array_get(json_object_get(*root, "report"), 0), kind);
	if (json_is_array(rows))
		return rows;
	error_set(err, ERROR_PROTOCOL, "lvm's report is not understood: %s", *root ? "no rows" : error.text);
	json_decref(*root);
	*root = NULL;
	return NULL;
}

static int text_field(const json_t *row, const char *key, char *to, size_t size, struct error *err)
{
	const char *text = json_string_value(json_object_get(row, key));

	if (!text || strlen(text) >= size)
		return error_set(err, ERROR_PROTOCOL, "lvm's report is not understood: %s is %s", key,
			text ? "too long" : "missing");
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int bytes_field(const json_t *row, const char *key, uint64_t *bytes, struct error *err)
{
	char text[32], *end;

	if (text_field(row, key, text, sizeof(text), err) < 0)
		return -1;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-')
		return error_set(
			err, ERROR_PROTOCOL, "lvm's report is not understood: %s is \"%s\"", key, text);
	return 0;
}

static int volume_row(const json_t *row, struct lvm_volume *volume, struct error *err)
{
	char attributes[32];

	if (text_field(row, "lv_name", volume->name, sizeof(volume->name), err) < 0 ||
		text_field(row, "lv_tags", volume->tags, sizeof(volume->tags), err) < 0 ||
		text_field(row, "lv_attr", attributes, sizeof(attributes), err) < 0 ||
		bytes_field(row, "lv_size", &volume->bytes, err) < 0)
		return -1;
	volume->active = strlen(attributes) > 4 && attributes[4] == 'a';
	return 0;
}

int lvm_parse_volumes(const char *text, struct lvm_volume **volumes, size_t *count, struct error *err)
{
	json_t *root, *rows = report(text, "lv", &root, err);
	int result = 0;

	if (!rows)
		return -1;
	size_t rows_count = json_array_size(rows);
	struct lvm_volume *list = calloc(rows_count + 1, sizeof(*list));
	if (!list)
		result = error_set_errno(err, ENOMEM, "lvm");
	for (size_t i = 0; result == 0 && i < rows_count; i++)
		result = volume_row(json_array_get(rows, i), &list[i], err);
	json_decref(root);
	if (result < 0) {
		free(list);
		return -1;
	}
	*volumes = list;
	*count = rows_count;
	return 0;
}

int lvm_parse_pool(const char *text, struct lvm_pool *info, struct error *err)
{
	json_t *root, *rows = report(text, "vg", &root, err);
	int result;

	if (!rows)
		return -1;
	const json_t *row = json_array_get(rows, 0);
	if (!row)
		result = error_set(err, ERROR_NOT_FOUND, "lvm reports no such volume group");
	else if (bytes_field(row, "vg_size", &info->size_bytes, err) < 0 ||
		bytes_field(row, "vg_free", &info->free_bytes, err) < 0 ||
		bytes_field(row, "vg_extent_size", &info->extent_bytes, err) < 0)
		result = -1;
	else if (!info->extent_bytes)
		result =
			error_set(err, ERROR_PROTOCOL, "lvm's report is not understood: vg_extent_size is 0");
	else
		result = 0;
	json_decref(root);
	return result;
}

bool lvm_has_tag(const struct lvm_volume *volume, const char *tag)
{
	size_t length = strlen(tag);

	for (const char *at = volume->tags; (at = strstr(at, tag)); at++)
		if ((at == volume->tags || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
			return true;
	return false;
}
