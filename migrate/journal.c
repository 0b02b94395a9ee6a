// SPDX-License-Identifier: GPL-3.0-or-later
// The journal: one small JSON file per group and side (MoveJournal), written atomically and fsynced when a state is entered. It is
// what recovery believes; it never holds more than the last state.
#include "migrate/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "proto/json.h"

#define JOURNAL_LIMIT_BYTES 16384

static const char *side_name(enum move_side side)
{
	return side == MOVE_SOURCE ? "source" : "target";
}

static int journal_path(const struct moves *moves, enum move_side side, const char *group, char *path,
	size_t size, struct error *err)
{
	int length = snprintf(path, size, "%s/%s.%s.json", moves->directory, group, side_name(side));

	if (length < 0 || (size_t)length >= size)
		return error_set(err, ERROR_FAILED, "the path of the journal of group %s is too long", group);
	return 0;
}

int move_boot_id(char boot[64], struct error *err)
{
	cleanup_free char *text = NULL;

	if (file_read("/proc/sys/kernel/random/boot_id", 63, &text, NULL, err) < 0)
		return error_prefix(err, "cannot tell which boot this is");
	text[strcspn(text, "\n")] = '\0';
	snprintf(boot, 64, "%s", text);
	return 0;
}

int move_journal_write(const struct move *move, struct error *err)
{
	Holdfast__MoveJournal journal = HOLDFAST__MOVE_JOURNAL__INIT;
	char path[4096];

	journal.id = (char *)move->id;
	journal.group = (char *)move->group_name;
	journal.side = (char *)side_name(move->side);
	journal.state = (char *)move_state_name(move->state);
	journal.peer = (char *)move->peer;
	journal.address = move->address ? move->address : (char *)"";
	journal.boot = move->boot ? move->boot : move->moves->boot;
	journal.generation = move->generation;
	journal.paused = move->paused;
	journal.n_paused = move->paused_count;
	cleanup_free char *text = proto_to_json_text(&journal.base);
	if (!text)
		return error_set(
			err, ERROR_NO_SPACE, "no memory for the journal of group %s", move->group_name);
	if (journal_path(move->moves, move->side, move->group_name, path, sizeof(path), err) < 0)
		return -1;
	return file_write_atomic(path, text, strlen(text), 0600, err);
}

int move_journal_remove(const struct moves *moves, enum move_side side, const char *group, struct error *err)
{
	char path[4096];

	if (journal_path(moves, side, group, path, sizeof(path), err) < 0)
		return -1;
	return file_remove(path, err);
}

// The move that a journal describes, or NULL with err set if it makes no sense.
static struct move *journal_read(struct moves *moves, const char *path, struct error *err)
{
	cleanup_free char *text = NULL;

	if (file_read(path, JOURNAL_LIMIT_BYTES, &text, NULL, err) < 0)
		return NULL;
	ProtobufCMessage *message = proto_from_json_text(&holdfast__move_journal__descriptor, text, err);
	if (!message)
		return NULL;
	Holdfast__MoveJournal *journal = (Holdfast__MoveJournal *)message;
	enum move_side side = strcmp(journal->side, "source") == 0 ? MOVE_SOURCE : MOVE_TARGET;
	enum move_state state = move_state_parse(journal->state);
	struct move *move = NULL;
	if (!name_valid(journal->group) || state == MOVE_NONE || !move_state_journaled(side, state))
		error_set(err, ERROR_PROTOCOL, "group %s, state %s", journal->group, journal->state);
	else
		move = move_new(moves, side, journal->group, journal->id, journal->peer, err);
	if (move) {
		move->state = state;
		move->generation = journal->generation;
		move->address = strdup(journal->address);
		move->boot = strdup(journal->boot);
		for (size_t i = 0; i < journal->n_paused; i++) {
			if (move_pause_add(move, journal->paused[i], err) < 0)
				log_error("group=%s a paused VM may go on: %s", move->group_name,
					err ? err->message : "");
		}
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return move;
}

int move_journal_load(struct moves *moves, struct error *err)
{
	DIR *directory = opendir(moves->directory);

	if (!directory)
		return error_set_errno(err, errno, "cannot read the journals in %s", moves->directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		struct error bad = ERROR_INIT;
		char path[4096], aside[4104];
		size_t length = strlen(entry->d_name);

		if (length < 6 || strcmp(entry->d_name + length - 5, ".json") != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", moves->directory, entry->d_name) >=
			(int)sizeof(path))
			continue;
		if (journal_read(moves, path, &bad))
			continue;
		snprintf(aside, sizeof(aside), "%s.bad", path);
		log_error("journal %s is damaged and was moved aside to %s: %s", path, aside, bad.message);
		if (rename(path, aside) < 0)
			log_error("cannot rename %s: %s", path, strerror(errno));
	}
	closedir(directory);
	return 0;
}
