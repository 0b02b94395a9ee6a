// SPDX-License-Identifier: GPL-3.0-or-later
// A CIB in a file (libcib's CIB_file) for the tests of clusterd/cib, definitions to put into it, and Pacemaker's tools run on it.
#ifndef TESTS_UNIT_CIB_FIXTURE_H
#define TESTS_UNIT_CIB_FIXTURE_H

#include "clusterd/cib.h"
#include "common/spawn.h"

struct fixture {
	char directory[64];
	char path[96];		// the CIB
};

// Nodes a1, b1 and c1 are in it, nothing else. For cmocka's setup and teardown.
int fixture_setup(void **state);
int fixture_teardown(void **state);
struct cib *fixture_open(struct fixture *fixture);	// fails the test if it cannot
// VMs is a list of names, ends with NULL. Preferred a1 then b1, both possible.
Holdfast__GroupSpec *fixture_spec(const char *group, const char *const vms[]);
void fixture_add_fencing(struct cib *cib);
void fixture_create(struct cib *cib, const char *group, const char *const vms[]);

// Pacemaker's opinion of the file.
void fixture_verify(struct fixture *fixture);
// Runs crm_simulate on the file with ARGUMENTS (ends with NULL); with SAVE its result becomes the file. What it printed, to be freed.
char *fixture_simulate(struct fixture *fixture, const char *const arguments[], int save);

#endif
