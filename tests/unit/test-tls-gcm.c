// SPDX-License-Identifier: GPL-3.0-or-later
// AES-GCM of our provider against OpenSSL's own: what the one encrypts the other decrypts, in pieces too, and what was changed on the way is refused.
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "common/tls-gcm.h"

#define OURS "provider=holdfast-gcm"
#define THEIRS "provider=default"
#define TEXT_MAX 40000
#define TAG 16
#define IV 12

struct message {
	uint8_t key[32], iv[IV], aad[13], tag[TAG];
	uint8_t text[TEXT_MAX];
	int count;
};

static const char *const names[] = { "AES-128-GCM", "AES-256-GCM" };

static EVP_CIPHER *fetch(const char *name, const char *from)
{
	EVP_CIPHER *cipher;

	if (!tls_gcm_properties()) {
		print_message("this processor has no vector AES, or the library is not built in\n");
		skip();
	}
	cipher = EVP_CIPHER_fetch(NULL, name, from);
	assert_non_null(cipher);
	return cipher;
}

static void fill(struct message *message, int count)
{
	assert_int_equal(RAND_bytes((unsigned char *)message, sizeof(*message)), 1);
	message->count = count;
}

// In pieces of PIECE bytes at most. 1, or 0 where it is refused.
static int run(EVP_CIPHER *cipher, struct message *message, bool encrypts, int piece)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int put, result;

	assert_non_null(context);
	// As TLS does it: the key once, an initialization vector for each message.
	assert_int_equal(EVP_CipherInit_ex(context, cipher, NULL, NULL, NULL, encrypts), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, IV, NULL), 1);
	assert_int_equal(EVP_CipherInit_ex(context, NULL, NULL, message->key, NULL, -1), 1);
	assert_int_equal(EVP_CipherInit_ex(context, NULL, NULL, NULL, message->iv, encrypts), 1);
	if (!encrypts)
		assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, message->tag), 1);
	assert_int_equal(EVP_CipherUpdate(context, NULL, &put, message->aad, sizeof(message->aad)), 1);
	for (int at = 0; at < message->count; at += put) {
		int left = message->count - at;
		uint8_t *text = message->text + at;
		assert_int_equal(EVP_CipherUpdate(context, text, &put, text, left < piece ? left : piece), 1);
	}
	result = EVP_CipherFinal_ex(context, message->text + message->count, &put);
	assert_int_equal(put, 0);
	if (encrypts)
		assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, message->tag), 1);
	EVP_CIPHER_CTX_free(context);
	return result;
}

static void it_encrypts_as_openssl_does(void **state)
{
	static const int counts[] = { 1, 15, 16, 17, 255, 256, 4095, 16384, 16385, TEXT_MAX };
	struct message plain, message;

	for (size_t i = 0; i < 2; i++) {
		EVP_CIPHER *ours = fetch(names[i], OURS), *theirs = fetch(names[i], THEIRS);
		for (size_t j = 0; j < sizeof(counts) / sizeof(*counts); j++) {
			for (int piece = 1000; piece <= TEXT_MAX; piece += TEXT_MAX - 1000) {
				fill(&plain, counts[j]);
				message = plain;
				assert_int_equal(run(ours, &message, true, piece), 1);
				if (plain.count >= 15) // a single byte may well be encrypted to itself
					assert_memory_not_equal(message.text, plain.text, (size_t)plain.count);
				assert_int_equal(run(theirs, &message, false, TEXT_MAX), 1);
				assert_memory_equal(message.text, plain.text, (size_t)plain.count);
				assert_int_equal(run(theirs, &message, true, TEXT_MAX), 1);
				assert_int_equal(run(ours, &message, false, piece), 1);
				assert_memory_equal(message.text, plain.text, (size_t)plain.count);
			}
		}
		EVP_CIPHER_free(ours);
		EVP_CIPHER_free(theirs);
	}
}

static void what_was_changed_is_refused(void **state)
{
	struct message message, wrong;

	for (size_t i = 0; i < 2; i++) {
		EVP_CIPHER *ours = fetch(names[i], OURS);
		fill(&message, 5000);
		assert_int_equal(run(ours, &message, true, TEXT_MAX), 1);
		wrong = message;
		wrong.text[4999] ^= 1;
		assert_int_equal(run(ours, &wrong, false, TEXT_MAX), 0);
		wrong = message;
		wrong.aad[0] ^= 1;
		assert_int_equal(run(ours, &wrong, false, TEXT_MAX), 0);
		wrong = message;
		wrong.tag[15] ^= 0x80;
		assert_int_equal(run(ours, &wrong, false, TEXT_MAX), 0);
		assert_int_equal(run(ours, &message, false, TEXT_MAX), 1);
		EVP_CIPHER_free(ours);
	}
}

// A second message with the same initialization vector would give the key away.
static void a_vector_is_good_for_one_message(void **state)
{
	EVP_CIPHER *ours = fetch(names[0], OURS);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t key[16] = { 1 }, iv[IV] = { 2 }, text[32] = { 3 };
	int put;

	assert_non_null(context);
	assert_int_equal(EVP_EncryptInit_ex(context, ours, NULL, key, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(context, text, &put, text, sizeof(text)), 0); // there is none yet
	assert_int_equal(EVP_EncryptInit_ex(context, NULL, NULL, NULL, iv), 1);
	assert_int_equal(EVP_EncryptUpdate(context, text, &put, text, sizeof(text)), 1);
	assert_int_equal(EVP_EncryptFinal_ex(context, text, &put), 1);
	assert_int_equal(EVP_EncryptUpdate(context, text, &put, text, sizeof(text)), 0);
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(ours);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_encrypts_as_openssl_does),
	cmocka_unit_test(what_was_changed_is_refused),
	cmocka_unit_test(a_vector_is_good_for_one_message),
};

UNIT_MAIN(tests)
