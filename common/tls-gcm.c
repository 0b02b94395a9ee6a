// SPDX-License-Identifier: GPL-3.0-or-later
// See tls-gcm.h. A provider of OpenSSL's that is built in (man 7 provider-cipher): AES-128-GCM and AES-256-GCM with an initialization vector of 96
// bits and a tag of 128, which is what TLS 1.3 uses. A vector is good for one message, as GCM wants it.
#include <config.h> // not common/config.h
#include "common/tls-gcm.h"

#include <stddef.h>
#ifdef HAVE_INTEL_IPSEC_MB_H
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <intel-ipsec-mb.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define NAME "holdfast-gcm"
#define IV_BYTES 12u
#define TAG_BYTES 16u
#define AAD_MAX 64u // TLS has five bytes
#define KEY_ALIGN 64u // of struct gcm_key_data
#define VECTOR_AES (IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ)

struct gcm {
	struct gcm_key_data key; // first: it is aligned
	struct gcm_context_data message;
	size_t key_bytes;
	aes_gcm_pre_t pre;
	aes_gcm_init_t init;
	aes_gcm_enc_dec_update_t encrypt, decrypt;
	aes_gcm_enc_dec_finalize_t encrypt_end, decrypt_end;
	uint8_t iv[IV_BYTES], aad[AAD_MAX], tag[TAG_BYTES];
	size_t aad_count;
	bool encrypts, has_key, has_iv, has_tag, begun;
};

// ---- life

static struct gcm *gcm_new(size_t key_bytes)
{
	struct gcm *gcm = aligned_alloc(KEY_ALIGN, (sizeof(*gcm) + KEY_ALIGN - 1) / KEY_ALIGN * KEY_ALIGN);

	if (!gcm)
		return NULL;
	memset(gcm, 0, sizeof(*gcm));
	gcm->key_bytes = key_bytes;
	return gcm;
}

static void *new_128(void *provider)
{
	const IMB_MGR *mb = provider;
	struct gcm *gcm = gcm_new(16);

	if (!gcm)
		return NULL;
	gcm->pre = mb->gcm128_pre;
	gcm->init = mb->gcm128_init;
	gcm->encrypt = mb->gcm128_enc_update;
	gcm->decrypt = mb->gcm128_dec_update;
	gcm->encrypt_end = mb->gcm128_enc_finalize;
	gcm->decrypt_end = mb->gcm128_dec_finalize;
	return gcm;
}

static void *new_256(void *provider)
{
	const IMB_MGR *mb = provider;
	struct gcm *gcm = gcm_new(32);

	if (!gcm)
		return NULL;
	gcm->pre = mb->gcm256_pre;
	gcm->init = mb->gcm256_init;
	gcm->encrypt = mb->gcm256_enc_update;
	gcm->decrypt = mb->gcm256_dec_update;
	gcm->encrypt_end = mb->gcm256_enc_finalize;
	gcm->decrypt_end = mb->gcm256_dec_finalize;
	return gcm;
}

static void gcm_free(void *context)
{
	if (context)
		OPENSSL_cleanse(context, sizeof(struct gcm));
	free(context);
}

// ---- parameters

static int get_params(OSSL_PARAM params[], size_t key_bytes)
{
	const struct {
		const char *name;
		size_t value;
	} values[] = {
		{ OSSL_CIPHER_PARAM_KEYLEN, key_bytes },
		{ OSSL_CIPHER_PARAM_IVLEN, IV_BYTES },
		{ OSSL_CIPHER_PARAM_BLOCK_SIZE, 1 },
		{ OSSL_CIPHER_PARAM_MODE, EVP_CIPH_GCM_MODE },
		{ OSSL_CIPHER_PARAM_AEAD, 1 },
		{ OSSL_CIPHER_PARAM_CUSTOM_IV, 1 },
		{ OSSL_CIPHER_PARAM_AEAD_TAGLEN, TAG_BYTES },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		OSSL_PARAM *param = OSSL_PARAM_locate(params, values[i].name);
		if (param && !OSSL_PARAM_set_size_t(param, values[i].value) &&
			!OSSL_PARAM_set_int(param, (int)values[i].value))
			return 0;
	}
	return 1;
}

static int get_params_128(OSSL_PARAM params[])
{
	return get_params(params, 16);
}

static int get_params_256(OSSL_PARAM params[])
{
	return get_params(params, 32);
}

static int get_context_params(void *context, OSSL_PARAM params[])
{
	const struct gcm *gcm = context;
	OSSL_PARAM *tag = OSSL_PARAM_locate(params, OSSL_CIPHER_PARAM_AEAD_TAG);

	if (tag &&
		(!gcm->encrypts || !gcm->has_tag || tag->data_size > TAG_BYTES ||
			!OSSL_PARAM_set_octet_string(tag, gcm->tag, tag->data_size)))
		return 0;
	return get_params(params, gcm->key_bytes);
}

static int set_context_params(void *context, const OSSL_PARAM params[])
{
	struct gcm *gcm = context;
	const OSSL_PARAM *param = OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_AEAD_IVLEN);
	size_t bytes;

	if (param && (!OSSL_PARAM_get_size_t(param, &bytes) || bytes != IV_BYTES))
		return 0;
	param = OSSL_PARAM_locate_const(params, OSSL_CIPHER_PARAM_AEAD_TAG);
	if (!param)
		return 1;
	if (gcm->encrypts || param->data_type != OSSL_PARAM_OCTET_STRING || !param->data ||
		param->data_size != TAG_BYTES)
		return 0;
	memcpy(gcm->tag, param->data, TAG_BYTES);
	gcm->has_tag = true;
	return 1;
}

static const OSSL_PARAM *gettable(void *context, void *provider)
{
	static const OSSL_PARAM known[] = { OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
		OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0), OSSL_PARAM_END };

	return known;
}

static const OSSL_PARAM *settable(void *context, void *provider)
{
	static const OSSL_PARAM known[] = { OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
		OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0), OSSL_PARAM_END };

	return known;
}

// ---- a message

static int begin(struct gcm *gcm, bool encrypts, const uint8_t *key, size_t key_bytes, const uint8_t *iv,
	size_t iv_bytes, const OSSL_PARAM params[])
{
	if ((key && key_bytes != gcm->key_bytes) || (iv && iv_bytes != IV_BYTES))
		return 0;
	gcm->encrypts = encrypts;
	gcm->begun = gcm->has_tag = false;
	gcm->aad_count = 0;
	if (key) {
		gcm->pre(key, &gcm->key);
		gcm->has_key = true;
	}
	if (iv) {
		memcpy(gcm->iv, iv, IV_BYTES);
		gcm->has_iv = true;
	}
	return params ? set_context_params(gcm, params) : 1;
}

static int encrypt_begin(void *context, const unsigned char *key, size_t key_bytes, const unsigned char *iv,
	size_t iv_bytes, const OSSL_PARAM params[])
{
	return begin(context, true, key, key_bytes, iv, iv_bytes, params);
}

static int decrypt_begin(void *context, const unsigned char *key, size_t key_bytes, const unsigned char *iv,
	size_t iv_bytes, const OSSL_PARAM params[])
{
	return begin(context, false, key, key_bytes, iv, iv_bytes, params);
}

static int begin_text(struct gcm *gcm)
{
	if (gcm->begun)
		return 1;
	if (!gcm->has_key || !gcm->has_iv)
		return 0;
	gcm->init(&gcm->key, &gcm->message, gcm->iv, gcm->aad, gcm->aad_count);
	gcm->has_iv = false;
	gcm->begun = true;
	return 1;
}

static int update(
	void *context, unsigned char *out, size_t *put, size_t room, const unsigned char *in, size_t count)
{
	struct gcm *gcm = context;

	*put = count;
	if (!out) { // additional data, which is not encrypted
		if (gcm->begun || count > AAD_MAX - gcm->aad_count)
			return 0;
		memcpy(gcm->aad + gcm->aad_count, in, count);
		gcm->aad_count += count;
		return 1;
	}
	if (room < count || !begin_text(gcm))
		return 0;
	(gcm->encrypts ? gcm->encrypt : gcm->decrypt)(&gcm->key, &gcm->message, out, in, count);
	return 1;
}

static int end(void *context, unsigned char *out, size_t *put, size_t room)
{
	struct gcm *gcm = context;
	uint8_t tag[TAG_BYTES];

	*put = 0;
	if (!begin_text(gcm))
		return 0;
	gcm->begun = false;
	gcm->aad_count = 0;
	if (gcm->encrypts) {
		gcm->encrypt_end(&gcm->key, &gcm->message, gcm->tag, TAG_BYTES);
		gcm->has_tag = true;
		return 1;
	}
	gcm->decrypt_end(&gcm->key, &gcm->message, tag, TAG_BYTES);
	bool right = gcm->has_tag && CRYPTO_memcmp(tag, gcm->tag, TAG_BYTES) == 0;
	gcm->has_tag = false;
	return right;
}

// ---- the provider

#define FUNCTION(function) ((void (*)(void))(function))
#define CIPHER(bits)                                                                               \
	{                                                                                          \
		{ OSSL_FUNC_CIPHER_NEWCTX, FUNCTION(new_##bits) },                                 \
			{ OSSL_FUNC_CIPHER_FREECTX, FUNCTION(gcm_free) },                          \
			{ OSSL_FUNC_CIPHER_ENCRYPT_INIT, FUNCTION(encrypt_begin) },                \
			{ OSSL_FUNC_CIPHER_DECRYPT_INIT, FUNCTION(decrypt_begin) },                \
			{ OSSL_FUNC_CIPHER_UPDATE, FUNCTION(update) },                             \
			{ OSSL_FUNC_CIPHER_FINAL, FUNCTION(end) },                                 \
			{ OSSL_FUNC_CIPHER_GET_PARAMS, FUNCTION(get_params_##bits) },              \
			{ OSSL_FUNC_CIPHER_GET_CTX_PARAMS, FUNCTION(get_context_params) },         \
			{ OSSL_FUNC_CIPHER_SET_CTX_PARAMS, FUNCTION(set_context_params) },         \
			{ OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, FUNCTION(gettable) },              \
			{ OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, FUNCTION(settable) }, { 0, NULL }, \
	}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	static const OSSL_DISPATCH aes_128[] = CIPHER(128), aes_256[] = CIPHER(256);
	// The names as OpenSSL's own provider gives them, so that they are taken for the same.
	static const OSSL_ALGORITHM ciphers[] = {
		{ "AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", "provider=" NAME, aes_128, NULL },
		{ "AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", "provider=" NAME, aes_256, NULL },
		{ NULL, NULL, NULL, NULL },
	};

	*no_cache = 0;
	return operation == OSSL_OP_CIPHER ? ciphers : NULL;
}

static void tear_down(void *provider)
{
	free_mb_mgr(provider);
}

// Fails where OpenSSL's own ciphers are as good.
static int set_up(
	const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH functions[] = { { OSSL_FUNC_PROVIDER_QUERY_OPERATION, FUNCTION(query) },
		{ OSSL_FUNC_PROVIDER_TEARDOWN, FUNCTION(tear_down) }, { 0, NULL } };
	IMB_MGR *mb = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (!mb)
		return 0;
	init_mb_mgr_auto(mb, &arch);
	if ((mb->features & VECTOR_AES) != VECTOR_AES || imb_get_errno(mb)) {
		free_mb_mgr(mb);
		return 0;
	}
	*out = functions;
	*provider = mb;
	return 1;
}

const char *tls_gcm_properties(void)
{
	// OpenSSL's own is loaded by itself only as long as no other one is.
	if (!OSSL_PROVIDER_available(NULL, NAME) &&
		(!OSSL_PROVIDER_add_builtin(NULL, NAME, set_up) || !OSSL_PROVIDER_load(NULL, "default") ||
			!OSSL_PROVIDER_load(NULL, NAME)))
		return NULL;
	return "?provider=" NAME;
}

#else

const char *tls_gcm_properties(void)
{
	return NULL;
}

#endif
