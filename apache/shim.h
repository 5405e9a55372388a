/* Names for what Rust can't link to: macros, functions with variable arguments, optional functions. No decisions. */
#ifndef TOKEN_BINDING_SHIM_H
#define TOKEN_BINDING_SHIM_H

#include <stdint.h>

#include <httpd.h>
#include <openssl/ssl.h>

/* ap_log_*error() under this module's own LogLevel; `message` is logged as it is. */
void tb_log_server(const server_rec *server, int level, const char *message);
void tb_log_connection(const conn_rec *connection, int level, const char *message);
void tb_log_request(const request_rec *request, int level, const char *message);
/* APLOG_C_IS_LEVEL, APLOG_R_IS_LEVEL: would a line at this level be written? */
int tb_connection_logs(const conn_rec *connection, int level);
int tb_request_logs(const request_rec *request, int level);

/* Looks other modules' optional functions up, for the two below. httpd's hook optional_fn_retrieve: once per start. */
void tb_retrieve_optional_functions(void);
/* mod_ssl's ssl_is_https(): non-zero while the connection has an SSL object; 0 where mod_ssl is not loaded. */
int tb_ssl_is_https(conn_rec *connection);
/* mod_ssl's ssl_var_lookup() of a connection: NULL where mod_ssl is not loaded. `name` is only read. */
const char *tb_ssl_variable(conn_rec *connection, const char *name);
/* mod_http2's http2_var_lookup(): "" or NULL where it has no answer; NULL where mod_http2 is not loaded. */
const char *tb_http2_variable(request_rec *request, const char *name);

/* Macros of libssl. */
int tb_ssl_extended_master_secret(SSL *ssl);
/* Is SSL_OP_NO_EXTENDED_MASTER_SECRET set? OpenSSL before 3.0 has no such option. */
int tb_ssl_forbids_extended_master_secret(SSL *ssl);
int tb_ssl_secure_renegotiation(SSL *ssl);
int64_t tb_ssl_total_renegotiations(SSL *ssl);
/* How many authorities clients are told that their certificates may be of. */
int tb_ssl_client_authorities(const SSL_CTX *context);
/* The peer's certificate, or NULL. Not the caller's: it lives as long as the session. */
X509 *tb_ssl_peer_certificate(const SSL *ssl);

#endif
