// SPDX-License-Identifier: GPL-3.0-or-later
// proto/json: what is written is read back the same; what is not exactly right is refused with the field's name.
#include "tests/unit/unit.h"

#include <string.h>
#include "common/cleanup.h"
#include "proto/api.pb-c.h"
#include "proto/json.h"

#define SPEC_TYPE (&holdfast__group_spec__descriptor)
#define VM_TYPE (&holdfast__vm__descriptor)

static const char spec_text[] = "{\"group\":{\"name\":\"g1\",\"storage\":\"file\",\"preferred\":[\"a1\","
				"\"b1\"],\"possible\":[\"a1\"],\"replicas\":[],"
				"\"port\":7700,\"volumes\":[{\"index\":0,\"minor\":4,\"name\":\"state\","
				"\"size_bytes\":9007199254740993}],"
				"\"directory\":\"/srv/\\u00e4\",\"created\":\"\"},"
				"\"vms\":[{\"name\":\"v1\",\"memory_mib\":128,\"offline_action\":\"shut-"
				"down\",\"disks\":[{\"name\":\"disk0\"}]}],"
				"\"epoch\":9223372036854775807}";

static void free_message(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

static void test_round_trip(void **state)
{
	struct error err = ERROR_INIT;
	Holdfast__GroupSpec *spec = (void *)proto_from_json_text(SPEC_TYPE, spec_text, &err);

	assert_non_null(spec);
	assert_string_equal(spec->group->name, "g1");
	assert_int_equal(spec->group->storage, HOLDFAST__STORAGE_KIND__STORAGE_FILE);
	assert_int_equal(spec->group->n_preferred, 2);
	assert_string_equal(spec->group->preferred[1], "b1");
	assert_true(spec->group->volumes[0]->size_bytes == 9007199254740993u); // no double in between
	assert_true(spec->epoch == INT64_MAX);
	assert_int_equal(spec->vms[0]->offline_action, HOLDFAST__OFFLINE_ACTION__OFFLINE_SHUT_DOWN);
	assert_int_equal(spec->vms[0]->n_disks, 1);

	cleanup_free char *text = proto_to_json_text(&spec->base);
	Holdfast__GroupSpec *again = (void *)proto_from_json_text(SPEC_TYPE, text, &err);
	assert_non_null(again);
	cleanup_free char *text_again = proto_to_json_text(&again->base);
	assert_string_equal(text, text_again);
	assert_non_null(strstr(text, "\"target\":\"running\"")); // empty fields are printed
	assert_non_null(strstr(text, "\"nics\":[]"));
	assert_null(strchr(text, '\n'));

	Holdfast__GroupSpec *copy = (void *)proto_copy(&again->base);
	cleanup_free char *text_copy = proto_to_json_text(&copy->base);
	assert_string_equal(text, text_copy);
	free_message(copy);
	free_message(again);
	free_message(spec);
}

struct refused {
	const char *text, *message;
};

static void test_refused(void **state)
{
	static const struct refused cases[] = {
		{ "{\"name\":1}", "field \"name\" must be a string" },
		{ "{\"nmae\":\"v\"}", "field \"nmae\" is unknown" },
		{ "{\"cpus\":\"2\"}", "field \"cpus\" must be a whole number" },
		{ "{\"cpus\":2.0}", "field \"cpus\" must be a whole number" },
		{ "{\"cpus\":-1}", "must be from 0 to 4294967295, not -1" },
		{ "{\"cpus\":4294967296}", "field \"cpus\" must be from 0" },
		{ "{\"memory_mib\":-1}", "field \"memory_mib\" must be from 0" },
		{ "{\"memory_mib\":9223372036854775808}", "not valid JSON" },
		{ "{\"disks\":{}}", "field \"disks\" must be an array" },
		{ "{\"disks\":[{},{\"volume\":true}]}", "field \"disks[1].volume\" must be" },
		{ "{\"disks\":[null]}", "field \"disks[0]\" must be an object" },
		{ "{\"name\":null}", "field \"name\" must be a string" },
		{ "{\"name\":\"a\\u0000b\"}", "not valid JSON" },
		{ "{\"target\":\"Running\"}", "must be one of \"running\", \"off\", \"saved\"" },
		{ "{\"target\":\"TARGET_OFF\"}", "field \"target\" must be one of" },
		{ "{\"target\":0}", "field \"target\" must be one of" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", "duplicate" },
		{ "[]", "the JSON text must be an object" },
		{ "", "not valid JSON" },
		{ "{\"name\":\"v\"} x", "not valid JSON" },
		{ "{\"name\":\"\xff\"}", "not valid JSON" },
		{ "{\"a\\nb\":1}", "field \"a?b\" is unknown" },
		{ "{\"name\":\n\n}", "not valid JSON" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = ERROR_INIT;
		assert_null(proto_from_json_text(VM_TYPE, cases[i].text, &err));
		assert_int_equal(err.code, ERROR_USAGE);
		if (!strstr(err.message, cases[i].message) || strchr(err.message, '\n'))
			fail_msg("%s gave: %s", cases[i].text, err.message);
	}
}

static void test_nul_and_long_strings(void **state)
{
	struct error err = ERROR_INIT;
	json_t *json = json_pack("{s:o}", "name", json_stringn("a\0b", 3));

	assert_null(proto_from_json(VM_TYPE, json, &err));
	assert_non_null(strstr(err.message, "field \"name\" has a NUL"));
	json_decref(json);

	cleanup_free char *text = calloc(1, 65538);
	memset(text, 'x', 65537);
	json = json_pack("{s:s}", "append", text);
	assert_null(proto_from_json(VM_TYPE, json, &err));
	assert_non_null(strstr(err.message, "field \"append\" is a string of more than 64 KiB"));
	json_decref(json);
	text[65536] = '\0';
	json = json_pack("{s:s}", "append", text);
	ProtobufCMessage *vm = proto_from_json(VM_TYPE, json, &err);
	assert_non_null(vm);
	free_message(vm);
	json_decref(json);
}

static void test_oneof(void **state)
{
	struct error err = ERROR_INIT;
	const ProtobufCMessageDescriptor *type = &holdfast__reply__descriptor;

	assert_null(proto_from_json_text(type, "{\"done\":{},\"name\":{\"name\":\"x\"}}", &err));
	assert_non_null(strstr(err.message, "only one of them"));
	assert_null(proto_from_json_text(type, "{\"name\":{\"name\":7}}", &err));
	assert_non_null(strstr(err.message, "field \"name.name\""));

	Holdfast__Reply *reply = (void *)proto_from_json_text(type, "{\"id\":3,\"data\":\"AAH/\"}", &err);
	assert_non_null(reply);
	assert_int_equal(reply->body_case, HOLDFAST__REPLY__BODY_DATA);
	assert_int_equal(reply->data.len, 3);
	assert_memory_equal(reply->data.data, "\0\1\xff", 3);
	cleanup_free char *text = proto_to_json_text(&reply->base);
	assert_string_equal(text, "{\"id\":3,\"data\":\"AAH/\"}");
	free_message(reply);

	static const char *const bad[] = { "A", "AAA", "AA=A", "AAH/ ", "AAH/\\n", "====", "A===", "AB==" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char json[64];
		snprintf(json, sizeof(json), "{\"data\":\"%s\"}", bad[i]);
		if (proto_from_json_text(type, json, &err))
			fail_msg("%s was taken for base64", bad[i]);
	}
}

// From the wire may come what no JSON can be: it is mended, not fatal.
static void test_wire_rubbish(void **state)
{
	Holdfast__Event event = HOLDFAST__EVENT__INIT;
	event.text = (char *)"a\xff"
			     "b";
	event.pause_ms = 0.0 / 0.0;
	cleanup_free char *text = proto_to_json_text(&event.base);

	assert_non_null(text);
	assert_non_null(strstr(text, "\"a?b\""));
	assert_non_null(strstr(text, "\"pause_ms\":null"));
	Holdfast__Vm vm = HOLDFAST__VM__INIT;
	vm.target = 77;
	vm.memory_mib = UINT64_MAX;
	cleanup_free char *vm_text = proto_to_json_text(&vm.base);
	assert_non_null(strstr(vm_text, "\"target\":77"));
	assert_non_null(strstr(vm_text, "\"memory_mib\":9223372036854775807"));
}

// A type that contains itself: ours do not, the limit must hold all the same.
struct nest {
	ProtobufCMessage base;
	struct nest *inner;
};
static const ProtobufCMessageDescriptor nest_type;
static const ProtobufCFieldDescriptor nest_field = {
	.name = "inner",
	.id = 1,
	.label = PROTOBUF_C_LABEL_NONE,
	.type = PROTOBUF_C_TYPE_MESSAGE,
	.offset = offsetof(struct nest, inner),
	.descriptor = &nest_type,
};
static void nest_init(ProtobufCMessage *message)
{
	*(struct nest *)message = (struct nest){ .base.descriptor = &nest_type };
}
static const unsigned nest_by_name[] = { 0 };
static const ProtobufCIntRange nest_ranges[] = { { 1, 0 }, { 0, 1 } };
static const ProtobufCMessageDescriptor nest_type = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "nest",
	.sizeof_message = sizeof(struct nest),
	.n_fields = 1,
	.fields = &nest_field,
	.fields_sorted_by_name = nest_by_name,
	.n_field_ranges = 1,
	.field_ranges = nest_ranges,
	.message_init = nest_init,
};

static json_t *nested(unsigned levels)
{
	json_t *json = json_object();

	for (unsigned i = 1; i < levels; i++)
		json = json_pack("{s:o}", "inner", json);
	return json;
}

static void test_depth(void **state)
{
	struct error err = ERROR_INIT;
	json_t *json = nested(16);
	ProtobufCMessage *message = proto_from_json(&nest_type, json, &err);

	assert_non_null(message);
	free_message(message);
	json_decref(json);
	json = nested(17);
	assert_null(proto_from_json(&nest_type, json, &err));
	assert_non_null(strstr(err.message, "nested too deep"));
	json_decref(json);
	cleanup_free char *text = malloc(1000001);
	memset(text, '[', 1000000);
	text[1000000] = '\0';
	assert_null(proto_from_json_text(VM_TYPE, text, &err));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_round_trip),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_nul_and_long_strings),
	cmocka_unit_test(test_oneof),
	cmocka_unit_test(test_wire_rubbish),
	cmocka_unit_test(test_depth),
};

UNIT_MAIN(tests)
