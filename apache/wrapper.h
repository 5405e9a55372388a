/* What bindgen reads: httpd's API, and the shim's. The list of what is taken from it is in build.rs. */
#include <httpd.h>
#include <ap_expr.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <apr_hooks.h>
#include <apr_optional_hooks.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <mod_auth.h>
#include <mod_status.h>
#include <util_filter.h>

#include "shim.h"

/* Macros with casts that bindgen can't evaluate. */
static const int APR_EGENERAL_ = APR_EGENERAL;
static const unsigned long MODULE_MAGIC_COOKIE_ = MODULE_MAGIC_COOKIE;
