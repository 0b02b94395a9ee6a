// SPDX-License-Identifier: GPL-3.0-or-later
// Completion. Prints nothing rather than an error.
#include "ctl/complete.h"

#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/rpc.h"
#include "ctl/nouns.h"

#define ANSWER_MS 700

static void offer(FILE *out, const char *prefix, const char *word, const char *typed)
{
	char whole[80];

	snprintf(whole, sizeof(whole), "%s%s", prefix, word);
	if (!strncmp(whole, typed, strlen(typed)))
		fprintf(out, "%s\n", whole);
}

static const struct arg *option_of(const struct verb *verb, const char *word)
{
	if (strncmp(word, "--", 2))
		return NULL;
	for (const struct arg *arg = verb ? verb->options : NULL; arg && arg->name; arg++)
		if (!strcmp(arg->name, word + 2))
			return arg;
	for (const struct arg *arg = args_global; arg->name; arg++)
		if (!strcmp(arg->name, word + 2))
			return arg;
	return NULL;
}

static void offer_options(FILE *out, const struct arg *options, const char *typed)
{
	for (; options && options->name; options++)
		offer(out, "--", options->name, typed);
}

static void offer_value(FILE *out, const struct arg *arg, const char *typed, const char **names)
{
	char words[128], *next = words;

	if (arg->kind == ARG_NAME || arg->kind == ARG_NAMES)
		*names = arg->what;
	if (arg->kind != ARG_CHOICE)
		return;
	snprintf(words, sizeof(words), "%s", arg->choices);
	for (char *word; (word = strsep(&next, "|"));)
		offer(out, "", word, typed);
}

// How far the words before the last one have come.
struct position {
	const struct noun *noun;
	const struct verb *verb;
	const struct arg *waiting; // an option whose value comes next
	size_t operands;
};

static void step(struct position *at, const struct noun *table, const char *word)
{
	const struct arg *option = option_of(at->verb, word);

	if (at->waiting) {
		at->waiting = NULL;
	} else if (option) {
		at->waiting = option->kind == ARG_FLAG ? NULL : option;
	} else if (word[0] == '-') {
		return;
	} else if (!at->noun) {
		for (const struct noun *noun = table; noun->name; noun++)
			if (!strcmp(noun->name, word))
				at->noun = noun;
		if (at->noun && !at->noun->verbs->name[0])
			at->verb = at->noun->verbs;
	} else if (!at->verb) {
		for (const struct verb *verb = at->noun->verbs; verb->name; verb++)
			if (!strcmp(verb->name, word))
				at->verb = verb;
	} else {
		at->operands++;
	}
}

static void offer_operand(FILE *out, const struct position *at, const char *typed, const char **names)
{
	const struct arg *operand = at->verb->operands;

	for (size_t i = 0; operand && operand->name && i < at->operands; i++)
		operand++;
	if (operand && operand->name)
		offer_value(out, operand, typed, names);
}

void complete_words(FILE *out, const struct noun *table, int count, char *const words[], const char **names)
{
	const char *typed = count > 0 ? words[count - 1] : "";
	struct position at = { .noun = NULL };

	*names = NULL;
	for (int i = 0; i + 1 < count; i++)
		step(&at, table, words[i]);
	if (at.waiting) {
		offer_value(out, at.waiting, typed, names);
	} else if (typed[0] == '-') {
		offer_options(out, at.verb ? at.verb->options : NULL, typed);
		offer_options(out, args_global, typed);
	} else if (!at.noun) {
		for (const struct noun *noun = table; noun->name; noun++)
			offer(out, "", noun->name, typed);
	} else if (!at.verb) {
		for (const struct verb *verb = at.noun->verbs; verb->name; verb++)
			offer(out, "", verb->name, typed);
	} else {
		offer_operand(out, &at, typed, names);
	}
}

// ---- names that are there now

// "a1,b" completes to "a1,b1".
static void offer_name(const char *name, const char *typed)
{
	const char *comma = strrchr(typed, ',');
	int before = comma ? (int)(comma - typed + 1) : 0;

	if (!strncmp(name, typed + before, strlen(typed + before)))
		printf("%.*s%s\n", before, typed, name);
}

static Holdfast__Reply *ask(Holdfast__Request__BodyCase what)
{
	const char *socket =
		access(RPC_CLUSTERD_SOCKET, F_OK) == 0 ? RPC_CLUSTERD_SOCKET : RPC_HYPERVISORD_SOCKET;
	Holdfast__Empty empty = HOLDFAST__EMPTY__INIT;
	Holdfast__Request request = RPC_REQUEST_INIT;
	struct error ignored = ERROR_INIT;
	Holdfast__Reply *reply = NULL;

	request.body_case = what;
	request.ping = &empty;
	return rpc_call_once(socket, &request, ANSWER_MS, &reply, &ignored) < 0 ? NULL : reply;
}

static void offer_names(const char *kind, const char *typed)
{
	Holdfast__Request__BodyCase what = !strcmp(kind, "group") ? HOLDFAST__REQUEST__BODY_GROUP_LIST
		: !strcmp(kind, "node")				  ? HOLDFAST__REQUEST__BODY_NODE_LIST
		: !strcmp(kind, "VM")				  ? HOLDFAST__REQUEST__BODY_VM_LIST
								  : HOLDFAST__REQUEST__BODY__NOT_SET;
	Holdfast__Reply *reply = what ? ask(what) : NULL;

	if (!reply)
		return;
	if (reply->body_case == HOLDFAST__REPLY__BODY_GROUP_LIST)
		for (size_t i = 0; i < reply->group_list->n_groups; i++)
			offer_name(reply->group_list->groups[i]->name, typed);
	if (reply->body_case == HOLDFAST__REPLY__BODY_NODE_LIST)
		for (size_t i = 0; i < reply->node_list->n_nodes; i++)
			offer_name(reply->node_list->nodes[i]->name, typed);
	if (reply->body_case == HOLDFAST__REPLY__BODY_VM_LIST)
		for (size_t i = 0; i < reply->vm_list->n_vms; i++)
			offer_name(reply->vm_list->vms[i]->name, typed);
	holdfast__reply__free_unpacked(reply, NULL);
}

int complete(int count, char *const words[])
{
	const char *names;

	complete_words(stdout, nouns, count, words, &names);
	if (names)
		offer_names(names, count > 0 ? words[count - 1] : "");
	return 0;
}
