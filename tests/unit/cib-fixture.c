// SPDX-License-Identifier: GPL-3.0-or-later
// See cib-fixture.h.
#include "tests/unit/cib-fixture.h"

#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "common/file.h"

#define TOOL_TIMEOUT_MS 30000

#define NODE_STATE(id, name)                                                      \
	"<node_state id=\"" id "\" uname=\"" name                                 \
	"\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\">" \
	"<lrm id=\"" id "\"><lrm_resources/></lrm></node_state>"

static const char empty_cib[] =
	"<cib crm_feature_set=\"3.13.0\" validate-with=\"pacemaker-3.9\" epoch=\"5\" num_updates=\"0\" "
	"admin_epoch=\"0\" "
	"have-quorum=\"1\" dc-uuid=\"1\"><configuration><crm_config/><nodes><node id=\"1\" "
	"uname=\"a1\"/><node id=\"2\" uname=\"b1\"/>"
	"<node id=\"3\" uname=\"c1\"/></nodes><resources/><constraints/></configuration>"
	"<status>" NODE_STATE("1", "a1") NODE_STATE("2", "b1") NODE_STATE("3", "c1") "</status></cib>";

int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error err = ERROR_INIT;

	*state = fixture;
	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/holdfast-test-cib.XXXXXX");
	if (!mkdtemp(fixture->directory))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/cib.xml", fixture->directory);
	setenv("CIB_file", fixture->path, 1);
	return file_write_atomic(fixture->path, empty_cib, strlen(empty_cib), 0600, &err);
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	int result = rmdir(fixture->directory);
	free(fixture);
	return result;
}

struct cib *fixture_open(struct fixture *fixture)
{
	struct error err = ERROR_INIT;
	struct cib *cib = cib_open(NULL, "holdfast-test", 5000, &err);

	if (!cib)
		fail_msg("cib_open: %s", err.message);
	return cib;
}

static char **strings(const char *a, const char *b)
{
	char **list = calloc(2, sizeof(char *));

	list[0] = strdup(a);
	list[1] = strdup(b);
	return list;
}

static Holdfast__Vm *fixture_vm(const char *name, const char *group)
{
	Holdfast__Vm *vm = malloc(sizeof(*vm));

	holdfast__vm__init(vm);
	vm->name = strdup(name);
	vm->group = strdup(group);
	vm->append = strdup("quote=' \"x\" <&>");
	vm->cpus = 2;
	vm->memory_mib = 512;
	return vm;
}

Holdfast__GroupSpec *fixture_spec(const char *group, const char *const vms[])
{
	Holdfast__GroupSpec *spec = malloc(sizeof(*spec));

	holdfast__group_spec__init(spec);
	spec->group = malloc(sizeof(*spec->group));
	holdfast__group__init(spec->group);
	spec->group->name = strdup(group);
	spec->group->preferred = strings("a1", "b1");
	spec->group->possible = strings("b1", "a1");
	spec->group->n_preferred = spec->group->n_possible = 2;
	while (vms[spec->n_vms])
		spec->n_vms++;
	spec->vms = calloc(spec->n_vms + 1, sizeof(*spec->vms));
	for (size_t i = 0; i < spec->n_vms; i++)
		spec->vms[i] = fixture_vm(vms[i], group);
	return spec;
}

void fixture_add_fencing(struct cib *cib)
{
	static const char *const nodes[] = { "a1", "b1", "c1" };
	char option[] = "ip=192.0.2.1";
	char *options[] = { option };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < 3; i++) {
		Holdfast__FenceDevice device = HOLDFAST__FENCE_DEVICE__INIT;
		device.node = (char *)nodes[i];
		device.agent = (char *)"fence_holdfast_lab";
		device.n_options = 1;
		device.options = options;
		assert_ok(cib_set_fence_device(cib, &device, &err), err);
	}
}

void fixture_create(struct cib *cib, const char *group, const char *const vms[])
{
	struct error err = ERROR_INIT;
	Holdfast__GroupSpec *spec = fixture_spec(group, vms);

	assert_ok(cib_create_group(cib, spec, &err), err);
	holdfast__group_spec__free_unpacked(spec, NULL);
}

void fixture_verify(struct fixture *fixture)
{
	const char *const argv[] = { "crm_verify", "-VV", "-x", fixture->path, NULL };
	struct spawn_output output;
	struct error err = ERROR_INIT;

	int status = spawn_run_blocking(argv, TOOL_TIMEOUT_MS, &output, &err);
	if (status < 0 || strstr(output.err, "warning") || strstr(output.err, "error"))
		fail_msg("%s: %s", err.message, output.err);
	spawn_output_done(&output);
}

char *fixture_simulate(struct fixture *fixture, const char *const arguments[], int save)
{
	const char *argv[24] = { "crm_simulate", "--xml-file", fixture->path };
	struct spawn_output output;
	struct error err = ERROR_INIT;
	char result[112];
	size_t count = 3;

	snprintf(result, sizeof(result), "%s.new", fixture->path);
	if (save) {
		argv[count++] = "--save-output";
		argv[count++] = result;
	}
	while (*arguments)
		argv[count++] = *arguments++;
	if (spawn_run_blocking(argv, TOOL_TIMEOUT_MS, &output, &err) < 0)
		fail_msg("%s: %s", err.message, output.err);
	if (save)
		assert_int_equal(rename(result, fixture->path), 0);
	free(output.err);
	return output.out;
}
