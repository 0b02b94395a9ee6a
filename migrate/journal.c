// SPDX-License-Identifier: GPL-3.0-or-later
// The journal: one small file per group and side, synced when a state is entered. It has room for two records (MoveJournal as JSON behind a line with
// number, length and checksum), written in turn and in place: a state that is entered while the guest stands still costs one flush of the disk and no
// change of the file system. The record with the highest number that is whole is what recovery believes.
#include "migrate/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "common/name.h"
#include "proto/json.h"

#define SLOT_BYTES 20480u
#define SLOTS 2u
#define HEAD "holdfast-move %" PRIu64 " %zu %08" PRIx32 "\n"

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

// ---- records

static uint32_t sum_of(uint64_t sequence, const char *text, size_t bytes)
{
	uint32_t sum = 2166136261u ^ (uint32_t)sequence;

	for (size_t i = 0; i < bytes; i++)
		sum = (sum ^ (unsigned char)text[i]) * 16777619u;
	return sum;
}

static int record_make(uint64_t sequence, const char *text, char slot[SLOT_BYTES], struct error *err)
{
	size_t bytes = strlen(text);
	int length =
		snprintf(slot, SLOT_BYTES, HEAD "%s\n", sequence, bytes, sum_of(sequence, text, bytes), text);

	if (length < 0 || (unsigned)length >= SLOT_BYTES)
		return error_set(
			err, ERROR_NO_SPACE, "the journal of a move has no room for %zu bytes", bytes);
	memset(slot + length, '\n', SLOT_BYTES - (unsigned)length);
	return 0;
}

// The record's number, with its text NUL-terminated in place; 0: it is not whole.
static uint64_t record_look(char *slot, size_t size, char **text)
{
	uint64_t sequence = 0;
	uint32_t sum = 0;
	size_t bytes = 0;
	char *line = memchr(slot, '\n', size);

	if (!line || sscanf(slot, "holdfast-move %" SCNu64 " %zu %" SCNx32, &sequence, &bytes, &sum) != 3)
		return 0;
	*text = line + 1;
	if (bytes >= size - (size_t)(*text - slot) || sum_of(sequence, *text, bytes) != sum)
		return 0;
	(*text)[bytes] = '\0';
	return sequence;
}

// The file of a move that begins: its first record, and room for the second.
static int create(const char *path, const char *first, struct error *err)
{
	cleanup_free char *whole = malloc(SLOTS * SLOT_BYTES);

	if (!whole)
		return error_set(err, ERROR_NO_SPACE, "no memory for a journal");
	memset(whole, '\n', SLOTS * SLOT_BYTES);
	memcpy(whole + SLOT_BYTES, first, SLOT_BYTES); // number 1 is in slot 1
	return file_write_atomic(path, whole, SLOTS * SLOT_BYTES, 0600, err);
}

static int overwrite(const char *path, uint64_t sequence, const char *slot, struct error *err)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	if (pwrite(fd, slot, SLOT_BYTES, (off_t)(sequence % SLOTS * SLOT_BYTES)) != (ssize_t)SLOT_BYTES ||
		fdatasync(fd) < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	return 0;
}

int move_journal_write(struct move *move, struct error *err)
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
	cleanup_free char *slot = malloc(SLOT_BYTES);
	uint64_t sequence = move->journal_sequence + 1;
	if (!slot)
		return error_set(err, ERROR_NO_SPACE, "no memory for a journal");
	if (journal_path(move->moves, move->side, move->group_name, path, sizeof(path), err) < 0 ||
		record_make(sequence, text, slot, err) < 0)
		return -1;
	int result = sequence == 1 ? create(path, slot, err) : overwrite(path, sequence, slot, err);
	if (result == 0)
		move->journal_sequence = sequence;
	return result;
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
	cleanup_free char *bytes = NULL;
	char *text = NULL;
	uint64_t sequence = 0;
	size_t size = 0;

	if (file_read(path, SLOTS * SLOT_BYTES, &bytes, &size, err) < 0)
		return NULL;
	for (size_t at = 0; at < size; at += SLOT_BYTES) {
		char *found = NULL;
		uint64_t number =
			record_look(bytes + at, size - at < SLOT_BYTES ? size - at : SLOT_BYTES, &found);
		if (number > sequence) {
			sequence = number;
			text = found;
		}
	}
	if (!text) {
		error_set(err, ERROR_PROTOCOL, "no record in it is whole");
		return NULL;
	}
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
		move->journal_sequence = sequence;
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
