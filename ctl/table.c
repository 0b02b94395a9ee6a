// SPDX-License-Identifier: GPL-3.0-or-later
// Tables and trees: the only file that knows libsmartcols. A table_line is a libscols_line with its table's answers in it.
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "common/cleanup.h"
#include "ctl/print.h"

struct table {
	struct libscols_table *scols;
};

struct table *table_new(const struct printer *printer, const struct table_column columns[])
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table || !(table->scols = scols_new_table())) {
		free(table);
		return NULL;
	}
	scols_table_set_stream(table->scols, printer->out);
	scols_table_set_column_separator(table->scols, "  ");
	scols_table_set_termforce(
		table->scols, printer->terminal ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	scols_table_enable_colors(table->scols, printer->colour);
	for (; columns->name; columns++) {
		int flags = (columns->flags & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0) |
			(columns->flags & TABLE_TREE ? SCOLS_FL_TREE : 0) |
			(columns->flags & TABLE_WRAP && printer->terminal ? SCOLS_FL_WRAP : 0);
		scols_table_new_column(table->scols, columns->name, 0, flags);
	}
	return table;
}

struct table_line *table_add(struct table *table, struct table_line *parent)
{
	return table ? (struct table_line *)scols_table_new_line(table->scols, (struct libscols_line *)parent)
		     : NULL;
}

void table_set(struct table_line *line, unsigned column, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	print_clean(text);
	if (line)
		scols_line_set_data((struct libscols_line *)line, column, text);
	free(text);
}

void table_colour(struct table_line *line, unsigned column, enum colour colour)
{
	static const char *const names[] = {
		[COLOUR_GOOD] = "green",
		[COLOUR_WARN] = "yellow",
		[COLOUR_BAD] = "red",
		[COLOUR_DIM] = "darkgray",
	};
	struct libscols_cell *cell = line ? scols_line_get_cell((struct libscols_line *)line, column) : NULL;

	if (cell && colour != COLOUR_NONE)
		scols_cell_set_color(cell, names[colour]);
}

void table_print(struct table *table)
{
	if (!table)
		return;
	scols_print_table(table->scols);
	scols_unref_table(table->scols);
	free(table);
}
