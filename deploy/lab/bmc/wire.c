// SPDX-License-Identifier: GPL-3.0-or-later
// Encodes and checks the power switch's datagrams. Takes any bytes from the network; knows no sockets.
#include "deploy/lab/bmc/wire.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define MAC_BYTES 32
#define MAC_DIGITS (2 * MAC_BYTES)

// Requests and answers differ in the letter before the word, so that one can never pass for the other.
static const char *const wire_words[BMC_WORDS] = { "?status", "?off", "?on", "?reboot", "=ok", "=on", "=off",
	"=failed" };

static int sign(const char *text, size_t bytes, const char *key, char mac[MAC_DIGITS + 1], struct error *err)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned raw_bytes = 0;

	if (!HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, bytes, raw, &raw_bytes) ||
		raw_bytes != MAC_BYTES)
		return error_set(err, ERROR_FAILED, "cannot compute an HMAC-SHA256");
	for (unsigned i = 0; i < MAC_BYTES; i++)
		snprintf(mac + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

int bmc_encode(const struct bmc_message *message, const char *key, char datagram[BMC_DATAGRAM_MAX],
	struct error *err)
{
	char mac[MAC_DIGITS + 1];
	int bytes = snprintf(datagram, BMC_DATAGRAM_MAX, "holdfast-bmc 1 %s %s %s ", message->address,
		message->nonce, wire_words[message->word]);

	if (bytes + MAC_DIGITS >= BMC_DATAGRAM_MAX)
		return error_set(err, ERROR_USAGE, "the message to the power switch is too long");
	if (sign(datagram, (size_t)bytes, key, mac, err) < 0)
		return -1;
	memcpy(datagram + bytes, mac, sizeof(mac));
	return bytes + MAC_DIGITS;
}

static int parse_word(const char *text, enum bmc_word *word)
{
	for (unsigned i = 0; i < BMC_WORDS; i++) {
		if (strcmp(wire_words[i], text) == 0) {
			*word = i;
			return 0;
		}
	}
	return -1;
}

int bmc_decode(
	const void *datagram, size_t bytes, const char *key, struct bmc_message *message, struct error *err)
{
	char text[BMC_DATAGRAM_MAX], word[16], mac[MAC_DIGITS + 1], expected[MAC_DIGITS + 1];
	int signed_bytes = 0, end = 0;

	if (bytes >= sizeof(text) || memchr(datagram, '\0', bytes))
		return error_set(err, ERROR_PROTOCOL, "not a message of a power switch");
	memcpy(text, datagram, bytes);
	text[bytes] = '\0';
	if (sscanf(text, "holdfast-bmc 1 %15[0-9.] %32[0-9a-f] %15s %n%64[0-9a-f]%n", message->address,
		    message->nonce, word, &signed_bytes, mac, &end) != 4 ||
		(size_t)end != bytes || strlen(mac) != MAC_DIGITS ||
		strlen(message->nonce) != BMC_NONCE_DIGITS || parse_word(word, &message->word) < 0)
		return error_set(err, ERROR_PROTOCOL, "not a message of a power switch");
	if (sign(text, (size_t)signed_bytes, key, expected, err) < 0)
		return -1;
	if (CRYPTO_memcmp(mac, expected, MAC_DIGITS) != 0)
		return error_set(err, ERROR_DENIED, "the message was made with another key");
	return 0;
}

bool bmc_is_request(enum bmc_word word)
{
	return word <= BMC_REBOOT;
}

const char *bmc_word_name(enum bmc_word word)
{
	return wire_words[word] + 1;
}
