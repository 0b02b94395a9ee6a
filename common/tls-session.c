// SPDX-License-Identifier: GPL-3.0-or-later
// TLS sessions over non-blocking sockets. OpenSSL talks to the socket through a BIO of ours, which raises no SIGPIPE. What
// OpenSSL complains of is put into words that an administrator can act on.
#include "common/tls-session.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "common/name.h"
#include "common/task.h"
#include "common/tls-private.h"
#include "common/tls-seal.h"

#define BULK_BUFFER_BYTES (128u << 10)
#define CORK_BYTES (288u << 10) // what a tunnel reads at once, in records
#define RECORD_BYTES (TLS_SEAL_MOST + TLS_SEAL_EXTRA)
// Controls by which OpenSSL 3 drives the kernel's TLS through a BIO: BIO_CTRL_SET_KTLS, _TX_SEND_CTRL_MSG and its _CLEAR. Not public names.
#define BIO_SET_SEAL 72
#define BIO_SET_RECORD_TYPE 74
#define BIO_CLEAR_RECORD_TYPE 75
#define APPLICATION_DATA SSL3_RT_APPLICATION_DATA

struct tls_session {
	SSL *ssl;
	BIO_METHOD *method;
	int fd;
	bool broken; // no good-bye any more
	struct tls_seal *seal; // NULL: OpenSSL makes the records
	uint8_t type; // of the next record that is sealed
	bool bulk; // records wait for tls_session_flush
	bool held; // not bulk: one is sealed, and OpenSSL tries again until the socket has it
	uint8_t *cork; // NULL: nothing ever waits; what does is from `head` to `used`
	size_t head, used, room;
	char expected[64]; // the peer's node name; empty: any
	char fingerprint[65]; // of the CA that a joining node trusts
};

// ---- the BIO

// 0: nothing waits any more; else -1 and errno.
static int send_cork(struct tls_session *session)
{
	while (session->head < session->used) {
		ssize_t put = send(session->fd, session->cork + session->head, session->used - session->head,
			MSG_NOSIGNAL);
		if (put < 0)
			return -1;
		session->head += (size_t)put;
	}
	session->head = session->used = 0;
	return 0;
}

static ssize_t put_in_cork(struct tls_session *session, const char *bytes, size_t count)
{
	if (count > session->room - session->used) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(session->cork + session->used, bytes, count);
	session->used += count;
	return (ssize_t)count;
}

// Without bulk it counts as written when the socket has the whole record: OpenSSL tries again with the same bytes until then.
static ssize_t put_sealed(struct tls_session *session, const char *bytes, size_t count)
{
	if (!session->held) {
		if (count + TLS_SEAL_EXTRA > session->room - session->used) {
			errno = EAGAIN;
			return -1;
		}
		size_t length = tls_seal_record(session->seal, session->type, (const uint8_t *)bytes, count,
			session->cork + session->used);
		if (!length) {
			errno = EIO;
			return -1;
		}
		session->used += length;
		session->held = !session->bulk;
	}
	if (session->held && send_cork(session) < 0)
		return -1;
	session->held = false;
	session->type = APPLICATION_DATA; // not before: each try of OpenSSL's sets it
	return (ssize_t)count;
}

static int bio_write(BIO *bio, const char *bytes, size_t count, size_t *written)
{
	struct tls_session *session = BIO_get_data(bio);
	ssize_t put = session->seal ? put_sealed(session, bytes, count)
		: session->bulk     ? put_in_cork(session, bytes, count)
				    : send(session->fd, bytes, count, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (put < 0) {
		if (errno == EAGAIN || errno == EINTR)
			BIO_set_retry_write(bio);
		return 0;
	}
	*written = (size_t)put;
	return 1;
}

static int bio_read(BIO *bio, char *bytes, size_t count, size_t *got)
{
	const struct tls_session *session = BIO_get_data(bio);
	ssize_t taken = recv(session->fd, bytes, count, 0);

	BIO_clear_retry_flags(bio);
	if (taken <= 0) {
		if (taken < 0 && (errno == EAGAIN || errno == EINTR))
			BIO_set_retry_read(bio);
		if (taken == 0)
			BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
		return 0;
	}
	*got = (size_t)taken;
	return 1;
}

// The key comes with the handshake's end. Without memory for it OpenSSL goes on by itself.
static int take_seal(struct tls_session *session, const void *info)
{
	if (session->seal)
		return 0;
	session->seal = tls_seal_new(info);
	session->cork = session->seal ? malloc(RECORD_BYTES) : NULL;
	if (!session->cork) {
		tls_seal_free(session->seal);
		session->seal = NULL;
	}
	session->room = RECORD_BYTES;
	session->type = APPLICATION_DATA;
	return session->seal != NULL;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	struct tls_session *session = BIO_get_data(bio);

	switch (command) {
	case BIO_SET_SEAL:
		return number ? take_seal(session, pointer) : 0; // 0: what is read
	case BIO_CTRL_GET_KTLS_SEND:
		return session->seal != NULL;
	case BIO_SET_RECORD_TYPE:
		session->type = (uint8_t)number;
		return 1;
	case BIO_CLEAR_RECORD_TYPE:
		session->type = APPLICATION_DATA;
		return 1;
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static BIO *bio_of(struct tls_session *session)
{
	session->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
	if (!session->method)
		return NULL;
	BIO_meth_set_write_ex(session->method, bio_write);
	BIO_meth_set_read_ex(session->method, bio_read);
	BIO_meth_set_ctrl(session->method, bio_control);
	BIO *bio = BIO_new(session->method);
	if (bio) {
		BIO_set_data(bio, session);
		BIO_set_init(bio, 1);
	}
	return bio;
}

// ---- life

static struct tls_session *session_new(SSL_CTX *ctx, int fd, struct error *err)
{
	struct tls_session *session = calloc(1, sizeof(*session));

	ERR_clear_error();
	if (!session) {
		close(fd);
		error_set(err, ERROR_NO_SPACE, "no memory for a TLS session");
		return NULL;
	}
	session->fd = fd;
	session->broken = true; // until the handshake is done
	session->ssl = SSL_new(ctx);
	BIO *bio = session->ssl ? bio_of(session) : NULL;
	if (!bio) {
		tls_session_free(session);
		tls_error_set(err, ERROR_NO_SPACE, "cannot set up a TLS session");
		return NULL;
	}
	SSL_set_bio(session->ssl, bio, bio);
	return session;
}

struct tls_session *tls_session_accept(struct tls_context *context, int fd, struct error *err)
{
	struct tls_session *session = session_new(context->server, fd, err);

	if (session)
		SSL_set_accept_state(session->ssl);
	return session;
}

struct tls_session *tls_session_connect(
	struct tls_context *context, int fd, const char *peer_node, struct error *err)
{
	struct tls_session *session = session_new(context->client, fd, err);

	if (!session)
		return NULL;
	SSL_set_connect_state(session->ssl);
	if (!peer_node)
		return session;
	SSL_set_hostflags(session->ssl, X509_CHECK_FLAG_NO_WILDCARDS);
	if (name_check("node", peer_node, err) < 0 || !SSL_set1_host(session->ssl, peer_node)) {
		tls_session_free(session);
		return NULL;
	}
	memcpy(session->expected, peer_node, strlen(peer_node));
	return session;
}

// Trusts the one certificate of the chain shown whose fingerprint is right, and then checks the chain as usual.
static int verify_by_fingerprint(X509_STORE_CTX *store, void *data)
{
	const struct tls_session *session = data;
	STACK_OF(X509) *shown = X509_STORE_CTX_get0_untrusted(store);
	STACK_OF(X509) *trusted = sk_X509_new_null();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size;
	int result = 0;

	for (int i = 0; trusted && i < sk_X509_num(shown); i++) {
		X509 *certificate = sk_X509_value(shown, i);
		char text[2 * EVP_MAX_MD_SIZE + 1] = "";
		if (!X509_digest(certificate, EVP_sha256(), digest, &size))
			continue;
		for (unsigned j = 0; j < size; j++)
			snprintf(text + 2 * j, 3, "%02x", digest[j]);
		if (strcasecmp(text, session->fingerprint) == 0)
			sk_X509_push(trusted, certificate);
	}
	if (trusted && sk_X509_num(trusted) > 0) {
		X509_STORE_CTX_set0_trusted_stack(store, trusted);
		result = X509_verify_cert(store);
	} else {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	}
	sk_X509_free(trusted);
	return result;
}

struct tls_session *tls_session_join(int fd, const char *ca_fingerprint, struct error *err)
{
	SSL_CTX *ctx = strlen(ca_fingerprint) == 64 ? tls_settings_new(TLS_client_method(), err) : NULL;

	if (!ctx) {
		close(fd);
		if (strlen(ca_fingerprint) != 64)
			error_set(err, ERROR_USAGE, "a CA fingerprint has 64 hexadecimal digits, not %zu",
				strlen(ca_fingerprint));
		return NULL;
	}
	struct tls_session *session = session_new(ctx, fd, err);
	if (session) {
		memcpy(session->fingerprint, ca_fingerprint, 64);
		SSL_CTX_set_cert_verify_callback(ctx, verify_by_fingerprint, session);
		SSL_set_connect_state(session->ssl);
	}
	SSL_CTX_free(ctx); // the session keeps it
	return session;
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	ERR_clear_error();
	if (session->ssl && !session->broken) {
		struct error ignored = ERROR_INIT;
		SSL_shutdown(session->ssl);
		if (tls_session_flush(session, &ignored) < 0)
			session->broken = true; // it cannot be said any more
	}
	SSL_free(session->ssl);
	tls_seal_free(session->seal);
	free(session->cork);
	BIO_meth_free(session->method);
	close(session->fd);
	ERR_clear_error();
	free(session);
}

// ---- what went wrong

static const char *name_shown(const struct tls_session *session, char *name, size_t bytes)
{
	X509 *certificate = SSL_get0_peer_certificate(session->ssl);

	if (!certificate ||
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(certificate), NID_commonName, name, (int)bytes) < 0)
		snprintf(name, bytes, "unknown");
	return name;
}

static int verify_error(const struct tls_session *session, struct error *err)
{
	long why = SSL_get_verify_result(session->ssl);

	switch (why) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return error_set(err, ERROR_DENIED, "the node there is not \"%s\": check the address",
			session->expected);
	case X509_V_ERR_CERT_UNTRUSTED:
		return error_set(err, ERROR_DENIED,
			"the certificate authority there is not the one in the join token: check the "
			"address, or make a new token");
	case X509_V_ERR_CERT_NOT_YET_VALID:
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return error_set(err, ERROR_DENIED,
			"the other side's certificate is not valid now (%s): check both clocks",
			X509_verify_cert_error_string(why));
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return error_set(err, ERROR_DENIED,
			"the other side's certificate is not signed by our cluster's CA: it belongs to "
			"another cluster (%s)",
			X509_verify_cert_error_string(why));
	default:
		return error_set(err, ERROR_DENIED, "the other side's certificate is refused: %s",
			X509_verify_cert_error_string(why));
	}
}

static int library_error(struct tls_session *session, struct error *err)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return verify_error(session, err);
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
		return error_set(err, ERROR_DENIED,
			"the other side refuses our certificate: it is not of the same cluster (%s)",
			ERR_reason_error_string(ERR_peek_error()));
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return error_set(err, ERROR_DENIED,
			"the other side refuses our certificate as not valid now: check both clocks");
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return error_set(err, ERROR_UNREACHABLE, "the connection was cut");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return tls_error_set(err, ERROR_PROTOCOL, "the other side does not speak TLS 1.3");
	default:
		return tls_error_set(err, ERROR_PROTOCOL, "TLS failed");
	}
}

// After a call of OpenSSL that returned RESULT <= 0: 0 at the peer's end, TLS_AGAIN, or -1.
static int outcome(struct tls_session *session, int result, int errnum, struct error *err)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		session->broken = true;
		if (errnum == 0)
			return error_set(err, ERROR_UNREACHABLE, "the connection was cut");
		return error_set_errno(err, errnum, "the connection broke");
	default:
		session->broken = true;
		library_error(session, err);
		ERR_clear_error();
		return -1;
	}
}

// ---- use

int tls_session_handshake(struct tls_session *session, unsigned timeout_ms, struct error *err)
{
	int64_t deadline_us = loop_now_us() + (int64_t)timeout_ms * 1000;

	for (;;) {
		ERR_clear_error();
		errno = 0;
		int result = SSL_do_handshake(session->ssl);
		if (result == 1) {
			session->broken = false;
			return 0;
		}
		result = outcome(session, result, errno, err);
		if (result == 0)
			return error_set(
				err, ERROR_UNREACHABLE, "the other side hung up during the TLS handshake");
		if (result == -1) {
			// what it has sent must not make the kernel answer with a reset, which could overtake our alert
			shutdown(session->fd, SHUT_WR);
			return -1;
		}
		int64_t left_ms = (deadline_us - loop_now_us()) / 1000;
		if (task_wait_fd(session->fd, SSL_want_write(session->ssl) ? POLLOUT : POLLIN,
			    left_ms > 0 ? (unsigned)left_ms : 0, "TLS handshake", err) < 0)
			return -1;
	}
}

int tls_session_peer(const struct tls_session *session, char name[64], struct error *err)
{
	if (!SSL_get0_peer_certificate(session->ssl))
		return 0;
	if (name_valid(name_shown(session, name, 64)))
		return 1;
	return error_set(
		err, ERROR_DENIED, "its certificate is for \"%.63s\", which is no node's name", name);
}

int tls_session_fd(const struct tls_session *session)
{
	return session->fd;
}

int tls_session_pending(const struct tls_session *session)
{
	return SSL_has_pending(session->ssl);
}

ssize_t tls_session_read(struct tls_session *session, void *bytes, size_t count, struct error *err)
{
	size_t got;

	ERR_clear_error();
	errno = 0;
	int result = SSL_read_ex(session->ssl, bytes, count, &got);
	return result == 1 ? (ssize_t)got : outcome(session, result, errno, err);
}

ssize_t tls_session_peek(struct tls_session *session, void *bytes, size_t count, struct error *err)
{
	size_t got;

	ERR_clear_error();
	errno = 0;
	int result = SSL_peek_ex(session->ssl, bytes, count, &got);
	return result == 1 ? (ssize_t)got : outcome(session, result, errno, err);
}

ssize_t tls_session_write(struct tls_session *session, const void *bytes, size_t count, struct error *err)
{
	size_t put;

	ERR_clear_error();
	errno = 0;
	int result = SSL_write_ex(session->ssl, bytes, count, &put);
	if (result == 1)
		return (ssize_t)put;
	result = outcome(session, result, errno, err);
	return result == 0 ? error_set(err, ERROR_UNREACHABLE, "the other side hung up") : result;
}

int tls_session_end_write(struct tls_session *session, struct error *err)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_shutdown(session->ssl);
	return result >= 0 ? 0 : outcome(session, result, errno, err);
}

int tls_session_flush(struct tls_session *session, struct error *err)
{
	if (send_cork(session) == 0)
		return 0;
	if (errno == EAGAIN || errno == EINTR)
		return TLS_AGAIN;
	session->broken = true;
	return error_set_errno(err, errno, "the connection broke");
}

void tls_session_set_bulk(struct tls_session *session)
{
	// Without memory for it each record is a packet, as before.
	uint8_t *cork = realloc(session->cork, CORK_BYTES);
	if (cork) {
		session->cork = cork;
		session->room = CORK_BYTES;
		session->bulk = true;
	}
	// Buffers stay: at this size each one would be mapped and unmapped anew.
	SSL_free_buffers(session->ssl);
	SSL_clear_mode(session->ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_read_ahead(session->ssl, 1);
	SSL_set_default_read_buffer_len(session->ssl, BULK_BUFFER_BYTES);
}
