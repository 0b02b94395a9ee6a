// SPDX-License-Identifier: GPL-3.0-or-later
// Where results go, and in what dress: tables (libsmartcols), lines, JSON. What came over the wire is shown without control characters,
// so that no guest or node can write to the administrator's terminal. Knows no message.
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdio.h>
#include "common/error.h"

struct printer {
	FILE *out;
	bool terminal;		// out is one: fit its width
	bool colour;		// escape codes may be used
	bool json;
};

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_DIM };

struct table;
struct table_line;

#define TABLE_RIGHT 1u		// numbers
#define TABLE_TREE 2u		// lines have parents: shown in this column
#define TABLE_WRAP 4u		// the one that gives way on a narrow terminal
struct table_column {
	const char *name;
	unsigned flags;
};

// COLUMNS ends with name NULL. A table without memory prints less, never wrong.
struct table *table_new(const struct printer *printer, const struct table_column columns[]);
struct table_line *table_add(struct table *table, struct table_line *parent);	// PARENT NULL: at the root
// Columns are counted from 0.
void table_set(struct table_line *line, unsigned column, const char *format, ...) __attribute__((format(printf, 3, 4)));
void table_colour(struct table_line *line, unsigned column, enum colour colour);
void table_print(struct table *table);		// prints and frees

void print_text(const struct printer *printer, const char *text);	// control characters as '?'
void print_line(const struct printer *printer, const char *format, ...) __attribute__((format(printf, 2, 3)));
// "  key:      value"; nothing if the value is empty.
void print_field(const struct printer *printer, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
void print_colour(const struct printer *printer, enum colour colour, const char *text);
// In place. UTF-8 stays, control characters (C0, DEL, C1) become '?'.
void print_clean(char *text);

// A message of one repeated field (a list) is printed as a bare array.
int print_json(const struct printer *printer, const ProtobufCMessage *message, struct error *err) MUST_CHECK;
int print_json_line(const struct printer *printer, const ProtobufCMessage *message, struct error *err) MUST_CHECK;
int print_json_name(const struct printer *printer, const char *name, struct error *err) MUST_CHECK;

// An enum value as JSON has it: "shut-down"; "unknown" if this version does not know it.
#define PRINT_ENUM_BYTES 40
const char *print_enum(char out[PRINT_ENUM_BYTES], const ProtobufCEnumDescriptor *type, int value);
// COUNT strings with commas between, or OTHERWISE. The caller frees it.
char *print_join(char *const *words, size_t count, const char *otherwise);

#endif
