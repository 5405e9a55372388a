#include "shim.h"

#include <http_config.h>
#include <http_log.h>
#include <apr_optional.h>
#include <mod_ssl.h>

APLOG_USE_MODULE(token_binding);

/* mod_http2.h is not installed everywhere; its optional function is part of httpd's stable interface. */
APR_DECLARE_OPTIONAL_FN(char *, http2_var_lookup, (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

void tb_log_server(const server_rec *server, int level, const char *message)
{
    ap_log_error(APLOG_MARK, level, 0, server, "%s", message);
}

void tb_log_connection(const conn_rec *connection, int level, const char *message)
{
    ap_log_cerror(APLOG_MARK, level, 0, connection, "%s", message);
}

void tb_log_request(const request_rec *request, int level, const char *message)
{
    ap_log_rerror(APLOG_MARK, level, 0, request, "%s", message);
}

int tb_connection_logs(const conn_rec *connection, int level)
{
    return APLOG_C_IS_LEVEL(connection, level);
}

int tb_request_logs(const request_rec *request, int level)
{
    return APLOG_R_IS_LEVEL(request, level);
}

static APR_OPTIONAL_FN_TYPE(ssl_is_https) *is_https;
static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *ssl_lookup;
static APR_OPTIONAL_FN_TYPE(http2_var_lookup) *lookup;

void tb_retrieve_optional_functions(void)
{
    is_https = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    ssl_lookup = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    lookup = APR_RETRIEVE_OPTIONAL_FN(http2_var_lookup);
}

int tb_ssl_is_https(conn_rec *connection)
{
    return is_https != NULL && is_https(connection);
}

const char *tb_ssl_variable(conn_rec *connection, const char *name)
{
    if (ssl_lookup == NULL) {
        return NULL;
    }
    return ssl_lookup(connection->pool, connection->base_server, connection, NULL, (char *)name);
}

const char *tb_http2_variable(request_rec *request, const char *name)
{
    if (lookup == NULL) {
        return NULL;
    }
    return lookup(request->pool, request->server, request->connection, request, (char *)name);
}

int tb_ssl_extended_master_secret(SSL *ssl)
{
    return (int)SSL_get_extms_support(ssl);
}

int tb_ssl_forbids_extended_master_secret(SSL *ssl)
{
#ifdef SSL_OP_NO_EXTENDED_MASTER_SECRET
    return (SSL_get_options(ssl) & SSL_OP_NO_EXTENDED_MASTER_SECRET) != 0;
#else
    return 0;
#endif
}

int tb_ssl_secure_renegotiation(SSL *ssl)
{
    return (int)SSL_get_secure_renegotiation_support(ssl);
}

int64_t tb_ssl_total_renegotiations(SSL *ssl)
{
    return SSL_total_renegotiations(ssl);
}

int tb_ssl_client_authorities(const SSL_CTX *context)
{
    return sk_X509_NAME_num(SSL_CTX_get_client_CA_list(context));
}

X509 *tb_ssl_peer_certificate(const SSL *ssl)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    return SSL_get0_peer_certificate(ssl);
#else
    X509 *certificate = SSL_get_peer_certificate(ssl);
    X509_free(certificate);
    return certificate;
#endif
}
