// SPDX-License-Identifier: GPL-3.0-or-later
// corosync.conf: what is in it for one node, two sites with and without a witness; what is refused; and that corosync itself reads it.
#include "tests/unit/unit.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clusterd/corosync-conf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/spawn.h"

static Holdfast__Node node_of(const char *name, const char *site, const char *address, uint32_t nodeid)
{
	Holdfast__Node node = HOLDFAST__NODE__INIT;

	node.name = (char *)name;
	node.site = (char *)site;
	node.address = (char *)address;
	node.nodeid = nodeid;
	return node;
}

static char *render(const char *witness, uint32_t token_ms, size_t count)
{
	static Holdfast__Node a1, b1;
	const Holdfast__Node *const nodes[] = { &a1, &b1 };
	struct error err = ERROR_INIT;
	char *text = NULL;

	a1 = node_of("a1", "a", "10.0.1.11", 101);
	b1 = node_of("b1", "b", "fd00::21", 201);
	const struct corosync_conf conf = { .cluster = "lab",
		.witness = witness,
		.token_ms = token_ms,
		.version = 7,
		.nodes = nodes,
		.node_count = count };
	assert_ok(corosync_conf_render(&conf, &text, &err), err);
	return text;
}

static void expect(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no line '%s' in:\n%s", line, text);
}

static void two_sites_and_a_witness(void **state)
{
	cleanup_free char *text = render("10.0.1.254:5999", 0, 2);

	expect(text, "\tconfig_version: 7\n");
	expect(text, "\tcluster_name: lab\n");
	expect(text, "\ttransport: knet\n\tcrypto_cipher: aes256\n\tcrypto_hash: sha256\n\ttoken: 3000\n");
	expect(text, "\t\tring0_addr: 10.0.1.11\n\t\tname: a1\n\t\tnodeid: 101\n");
	expect(text, "\t\tring0_addr: fd00::21\n\t\tname: b1\n\t\tnodeid: 201\n");
	expect(text, "\t\ttimeout: 6000\n\t\tsync_timeout: 9000\n");
	expect(text,
		"\t\t\thost: 10.0.1.254\n\t\t\tport: 5999\n\t\t\talgorithm: ffsplit\n\t\t\ttls: "
		"off\n\t\t\ttie_breaker: lowest\n");
	assert_null(strstr(text, "two_node"));
}

static void the_witness_waits_at_least_two_seconds(void **state)
{
	cleanup_free char *text = render("witness.example", 700, 2);

	expect(text, "\ttoken: 700\n");
	expect(text, "\t\ttimeout: 2000\n\t\tsync_timeout: 5000\n");
	expect(text, "\t\t\thost: witness.example\n\t\t\talgorithm");
}

static void without_a_witness(void **state)
{
	cleanup_free char *one = render("", 0, 1), *two = render(NULL, 0, 2);

	assert_null(strstr(one, "device"));
	assert_null(strstr(one, "two_node"));
	expect(two, "\ttwo_node: 1\n");
}

static void nonsense_is_refused(void **state)
{
	static const char *const witnesses[] = { "10.0.0.1:0", "10.0.0.1:99999", "10.0.0.1:x", "a b", "[::1",
		"h\n}", ":5403", "{" };
	Holdfast__Node node = node_of("a1", "a", "10.0.1.11", 101);
	const Holdfast__Node *const nodes[] = { &node };
	struct corosync_conf conf = { .cluster = "lab", .nodes = nodes, .node_count = 1 };
	struct error err = ERROR_INIT;
	char *text = NULL;

	for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
		conf.witness = witnesses[i];
		assert_fails(corosync_conf_render(&conf, &text, &err), err, ERROR_USAGE);
	}
	conf.witness = NULL;
	conf.token_ms = 10;
	assert_fails(corosync_conf_render(&conf, &text, &err), err, ERROR_USAGE);
	conf.token_ms = 0;
	node.address = (char *)"10.0.1.11\n}";
	assert_fails(corosync_conf_render(&conf, &text, &err), err, ERROR_USAGE);
	node.address = (char *)"10.0.1.11";
	node.name = (char *)"A1 {";
	assert_fails(corosync_conf_render(&conf, &text, &err), err, ERROR_USAGE);
	assert_null(text);
}

static void witnesses_are_parsed(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} cases[] = { { "10.0.0.1", "10.0.0.1", 0 }, { "10.0.0.1:5403", "10.0.0.1", 5403 },
		{ "fd00::1", "fd00::1", 0 }, { "[fd00::1]:1", "fd00::1", 1 }, { "[fd00::1]", "fd00::1", 0 },
		{ "w.example:65535", "w.example", 65535 } };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_free char *host = NULL;
		unsigned port;

		assert_ok(witness_parse(cases[i].text, &host, &port, &err), err);
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
	}
}

// corosync's own parser, with a key and a log of the test's own.
static void corosync_reads_it(void **state)
{
	char directory[] = "/tmp/test-corosync-XXXXXX", key[256] = "not secret";
	struct error err = ERROR_INIT;

	if (access("/usr/sbin/corosync", X_OK) < 0)
		skip();
	assert_non_null(mkdtemp(directory));
	g_autofree char *conf_path = g_strdup_printf("%s/corosync.conf", directory);
	g_autofree char *key_path = g_strdup_printf("%s/key", directory);
	g_autofree char *log_path = g_strdup_printf("%s/log", directory);
	g_autofree char *key_line = g_strdup_printf("\tkeyfile: %s\n\ttoken:", key_path);
	const char *const argv[] = { "/usr/sbin/corosync", "-t", "-c", conf_path, NULL };
	cleanup_free char *text = render("10.0.1.254", 1000, 1);
	g_autoptr(GString) here = g_string_new(text);
	assert_int_equal(g_string_replace(here, "\ttoken:", key_line, 0), 1);
	assert_int_equal(g_string_replace(here, "/var/log/corosync/corosync.log", log_path, 0), 1);
	assert_int_equal(g_string_replace(here, "10.0.1.11", "127.0.0.1", 0), 1); // it looks for itself
	assert_ok(file_write_atomic(key_path, key, sizeof(key), 0400, &err), err);
	assert_ok(file_write_atomic(conf_path, here->str, here->len, 0600, &err), err);
	assert_ok(spawn_run_blocking(argv, 20000, NULL, &err), err);
	g_string_replace(here, "crypto_hash: sha256", "crypto_hash: rot13", 0);
	assert_ok(file_write_atomic(conf_path, here->str, here->len, 0600, &err), err);
	assert_fails(spawn_run_blocking(argv, 20000, NULL, &err), err, ERROR_FAILED);
	unlink(conf_path);
	unlink(key_path);
	unlink(log_path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_sites_and_a_witness),
		cmocka_unit_test(the_witness_waits_at_least_two_seconds),
		cmocka_unit_test(without_a_witness),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(witnesses_are_parsed),
		cmocka_unit_test(corosync_reads_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
