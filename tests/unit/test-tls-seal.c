// SPDX-License-Identifier: GPL-3.0-or-later
// Records that are made here, opened with OpenSSL as RFC 8446 (5.2, 5.3) says; that a whole session understands them is test-rpc-tls's to show.
#include "tests/unit/unit.h"

#include <string.h>
#include <linux/tls.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "common/tls-seal.h"

#define TAG 16
#define HEADER 5

static struct tls12_crypto_info_aes_gcm_256 info_256(void)
{
	struct tls12_crypto_info_aes_gcm_256 info = { .info = { TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_256 } };

	assert_int_equal(RAND_bytes(info.key, sizeof(info.key)), 1);
	assert_int_equal(RAND_bytes(info.salt, sizeof(info.salt)), 1);
	assert_int_equal(RAND_bytes(info.iv, sizeof(info.iv)), 1);
	info.rec_seq[6] = 1; // 0x1ff: the next number carries over
	info.rec_seq[7] = 0xff;
	return info;
}

// Into TEXT, the type behind it. 1, or 0 where it is refused.
static int open_record(
	const struct tls12_crypto_info_aes_gcm_256 *info, uint64_t number, uint8_t *record, size_t count, uint8_t *text)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", "provider=default");
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t nonce[12];
	int put;

	memcpy(nonce, info->salt, 4);
	memcpy(nonce + 4, info->iv, 8);
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
	assert_int_equal(EVP_DecryptInit_ex2(context, cipher, info->key, nonce, NULL), 1);
	assert_int_equal(EVP_DecryptUpdate(context, NULL, &put, record, HEADER), 1);
	assert_int_equal(EVP_DecryptUpdate(context, text, &put, record + HEADER, (int)count + 1), 1);
	assert_int_equal(put, count + 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, record + HEADER + count + 1), 1);
	int result = EVP_DecryptFinal_ex(context, text + put, &put);
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
	return result == 1;
}

static void records_open_in_their_order(void **state)
{
	(void)state;
	static const size_t counts[] = { 1, 2, 15, 4096, TLS_SEAL_MOST, 0 };
	static uint8_t bytes[TLS_SEAL_MOST], text[TLS_SEAL_MOST + 1], record[TLS_SEAL_MOST + TLS_SEAL_EXTRA];
	struct tls12_crypto_info_aes_gcm_256 info = info_256();
	struct tls_seal *seal = tls_seal_new(&info);

	assert_non_null(seal);
	assert_int_equal(RAND_bytes(bytes, sizeof(bytes)), 1);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		size_t length = tls_seal_record(seal, (uint8_t)(21 + i), bytes, counts[i], record);
		assert_int_equal(length, counts[i] + TLS_SEAL_EXTRA);
		assert_int_equal(record[0], 23);
		assert_int_equal(record[1] << 8 | record[2], 0x0303);
		assert_int_equal(record[3] << 8 | record[4], length - HEADER);
		assert_true(open_record(&info, 0x1ff + i, record, counts[i], text));
		assert_memory_equal(text, bytes, counts[i]);
		assert_int_equal(text[counts[i]], 21 + i);
		assert_false(open_record(&info, 0x200 + i, record, counts[i], text));
	}
	tls_seal_free(seal);
}

static void what_is_too_long_or_unknown_is_refused(void **state)
{
	(void)state;
	static uint8_t bytes[TLS_SEAL_MOST + 1], record[TLS_SEAL_MOST + 1 + TLS_SEAL_EXTRA];
	struct tls12_crypto_info_aes_gcm_256 info = info_256();
	struct tls_seal *seal = tls_seal_new(&info);

	assert_int_equal(tls_seal_record(seal, 23, bytes, sizeof(bytes), record), 0);
	tls_seal_free(seal);
	info.info.version = TLS_1_2_VERSION;
	assert_null(tls_seal_new(&info));
	info.info = (struct tls_crypto_info){ TLS_1_3_VERSION, TLS_CIPHER_CHACHA20_POLY1305 };
	assert_null(tls_seal_new(&info));
}

static void numbers_do_not_come_again(void **state)
{
	(void)state;
	uint8_t byte = 1, record[1 + TLS_SEAL_EXTRA];
	struct tls12_crypto_info_aes_gcm_256 info = info_256();

	memset(info.rec_seq, 0xff, sizeof(info.rec_seq));
	struct tls_seal *seal = tls_seal_new(&info);
	assert_int_equal(tls_seal_record(seal, 23, &byte, 1, record), 0);
	tls_seal_free(seal);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(records_open_in_their_order),
	cmocka_unit_test(what_is_too_long_or_unknown_is_refused),
	cmocka_unit_test(numbers_do_not_come_again),
};

UNIT_MAIN(tests)
