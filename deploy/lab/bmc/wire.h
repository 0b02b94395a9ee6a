// SPDX-License-Identifier: GPL-3.0-or-later
// The datagrams between a fence agent and a lab node's power switch (UDP port 6230), one line of text each:
//   holdfast-bmc 1 ADDRESS NONCE WORD MAC
// ADDRESS is the switch's, NONCE 32 hex digits made by the agent, WORD a request (status off on reboot) or an answer (ok on off failed),
// MAC the HMAC-SHA256, in hex, of all before it under the lab's key. A request sent again has the same nonce and is carried out once.
// Codec only: no sockets, no clock.
#ifndef BMC_WIRE_H
#define BMC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include "common/error.h"

#define BMC_PORT 6230
#define BMC_DATAGRAM_MAX 256
#define BMC_NONCE_DIGITS 32

enum bmc_word {
	BMC_STATUS, BMC_OFF, BMC_ON, BMC_REBOOT,			// requests
	BMC_OK, BMC_IS_ON, BMC_IS_OFF, BMC_FAILED,			// answers
	BMC_WORDS
};

struct bmc_message {
	char address[16];			// dotted
	char nonce[BMC_NONCE_DIGITS + 1];
	enum bmc_word word;
};

// Returns the length of the text in DATAGRAM.
int bmc_encode(const struct bmc_message *message, const char *key, char datagram[BMC_DATAGRAM_MAX], struct error *err) MUST_CHECK;
// Takes any bytes. -1 if they are no message, or one that was not made with KEY.
int bmc_decode(const void *datagram, size_t bytes, const char *key, struct bmc_message *message, struct error *err) MUST_CHECK;
bool bmc_is_request(enum bmc_word word);
const char *bmc_word_name(enum bmc_word word);		// "on" is both a request and an answer

#endif
