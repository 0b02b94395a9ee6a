// SPDX-License-Identifier: GPL-3.0-or-later
// See tls-seal.h. A number is used for one record: the nonce is the initialization vector with it (RFC 8446, 5.3).
#include "common/tls-seal.h"

#include <stdlib.h>
#include <string.h>
#include <linux/tls.h>
#include <openssl/evp.h>
#include "common/tls-gcm.h"

#define NONCE_BYTES 12u
#define NUMBER_BYTES 8u
#define HEADER_BYTES 5u
#define TAG_BYTES 16u
#define APPLICATION_DATA 23u // what a protected record says that it is

struct tls_seal {
	EVP_CIPHER_CTX *cipher;
	uint8_t iv[NONCE_BYTES];
	uint64_t number;
};

static struct tls_seal *seal_new(
	const char *name, const uint8_t *key, const uint8_t *salt, const uint8_t *iv, const uint8_t *number)
{
	struct tls_seal *seal = calloc(1, sizeof(*seal));
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, tls_gcm_properties());

	if (seal)
		seal->cipher = EVP_CIPHER_CTX_new();
	if (!seal || !seal->cipher || !cipher ||
		!EVP_EncryptInit_ex2(seal->cipher, cipher, key, NULL, NULL)) {
		tls_seal_free(seal);
		seal = NULL;
	}
	EVP_CIPHER_free(cipher);
	if (!seal)
		return NULL;
	memcpy(seal->iv, salt, NONCE_BYTES - NUMBER_BYTES);
	memcpy(seal->iv + NONCE_BYTES - NUMBER_BYTES, iv, NUMBER_BYTES);
	for (unsigned i = 0; i < NUMBER_BYTES; i++)
		seal->number = seal->number << 8 | number[i];
	return seal;
}

struct tls_seal *tls_seal_new(const void *info)
{
	const struct tls_crypto_info *kind = info;

	if (kind->version == TLS_1_3_VERSION && kind->cipher_type == TLS_CIPHER_AES_GCM_128) {
		const struct tls12_crypto_info_aes_gcm_128 *gcm = info;
		return seal_new("AES-128-GCM", gcm->key, gcm->salt, gcm->iv, gcm->rec_seq);
	}
	if (kind->version == TLS_1_3_VERSION && kind->cipher_type == TLS_CIPHER_AES_GCM_256) {
		const struct tls12_crypto_info_aes_gcm_256 *gcm = info;
		return seal_new("AES-256-GCM", gcm->key, gcm->salt, gcm->iv, gcm->rec_seq);
	}
	return NULL;
}

void tls_seal_free(struct tls_seal *seal)
{
	if (!seal)
		return;
	EVP_CIPHER_CTX_free(seal->cipher);
	free(seal);
}

size_t tls_seal_record(
	struct tls_seal *seal, uint8_t type, const uint8_t *bytes, size_t count, uint8_t *record)
{
	size_t length = count + 1 + TAG_BYTES;
	uint8_t nonce[NONCE_BYTES], *out = record + HEADER_BYTES;
	const uint8_t header[HEADER_BYTES] = { APPLICATION_DATA, 3, 3, (uint8_t)(length >> 8),
		(uint8_t)length };
	int made = 0, last = 0, rest = 0;

	if (count > TLS_SEAL_MOST || seal->number == UINT64_MAX)
		return 0;
	memcpy(nonce, seal->iv, NONCE_BYTES);
	for (unsigned i = 0; i < NUMBER_BYTES; i++)
		nonce[NONCE_BYTES - 1 - i] ^= (uint8_t)(seal->number >> 8 * i);
	seal->number++;
	memcpy(record, header, HEADER_BYTES);
	if (!EVP_EncryptInit_ex2(seal->cipher, NULL, NULL, nonce, NULL) ||
		!EVP_EncryptUpdate(seal->cipher, NULL, &made, header, HEADER_BYTES) ||
		!EVP_EncryptUpdate(seal->cipher, out, &made, bytes, (int)count) ||
		!EVP_EncryptUpdate(seal->cipher, out + made, &last, &type, 1) ||
		!EVP_EncryptFinal_ex(seal->cipher, out + made + last, &rest) ||
		(size_t)(made + last + rest) != count + 1 ||
		!EVP_CIPHER_CTX_ctrl(seal->cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + count + 1))
		return 0;
	return HEADER_BYTES + length;
}
