// SPDX-License-Identifier: GPL-3.0-or-later
// Join tokens: what one member makes another one takes, in time; anything else is refused.
#include "tests/unit/unit.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include "clusterd/join-token.h"
#include "common/cleanup.h"

#define FINGERPRINT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_token_comes_back_whole(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_free char *secret = join_secret_make("key", 1000),
			  *token = join_token_make(secret, FINGERPRINT);
	cleanup_free char *parsed = NULL, *fingerprint = NULL;

	assert_ok(join_token_parse(token, &parsed, &fingerprint, &err), err);
	assert_string_equal(parsed, secret);
	assert_string_equal(fingerprint, FINGERPRINT);
	assert_ok(join_secret_check("key", parsed, 1000, &err), err);
}

static void another_key_or_another_time_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_free char *secret = join_secret_make("key", 1000);
	cleanup_free char *later = g_strdup_printf("2%s", secret);

	assert_fails(join_secret_check("other key", secret, 999, &err), err, ERROR_DENIED);
	assert_fails(join_secret_check("key", secret, 1001, &err), err, ERROR_DENIED);
	assert_non_null(strstr(err.message, "too old"));
	assert_fails(join_secret_check("key", later, 999, &err), err, ERROR_DENIED);
	secret[strlen(secret) - 1] ^= 1;
	assert_fails(join_secret_check("key", secret, 999, &err), err, ERROR_DENIED);
}

static void garbage_is_no_secret(void **state)
{
	static const char *const garbage[] = { "", ".", "1000", "1000.", "-5.abc", "x.y",
		"99999999999999999999999.00" };
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		assert_fails(join_secret_check("key", garbage[i], 0, &err), err, ERROR_DENIED);
}

static void garbage_is_no_token(void **state)
{
	static const char *const plain[] = { "", "no colon", ":" FINGERPRINT, "secret:0123",
		"secret:" FINGERPRINT "0", "secret:" FINGERPRINT "\n" };
	struct error err = ERROR_INIT;
	char *secret = NULL, *fingerprint = NULL;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		cleanup_free char *token = g_base64_encode((const guchar *)plain[i], strlen(plain[i]));
		assert_fails(join_token_parse(token, &secret, &fingerprint, &err), err, ERROR_USAGE);
	}
	assert_fails(join_token_parse("this is no base64!", &secret, &fingerprint, &err), err, ERROR_USAGE);
	cleanup_free char *with_nul = g_base64_encode((const guchar *)"se\0cret:" FINGERPRINT, 8 + 64);
	assert_fails(join_token_parse(with_nul, &secret, &fingerprint, &err), err, ERROR_USAGE);
	cleanup_free char *endless = g_strnfill(4096, 'A');
	assert_fails(join_token_parse(endless, &secret, &fingerprint, &err), err, ERROR_USAGE);
	assert_null(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_comes_back_whole),
		cmocka_unit_test(another_key_or_another_time_is_refused),
		cmocka_unit_test(garbage_is_no_secret),
		cmocka_unit_test(garbage_is_no_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
