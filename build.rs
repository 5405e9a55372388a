//! Finds httpd, APR and mod_ssl through `apxs` and OpenSSL through `openssl-sys` (which asks pkg-config), makes the
//! bindings and compiles the shim. Whatever is missing ends the build with one sentence that says what to install.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, panic};

/// What httpd offers us: one name a line, so that a new dependency on httpd shows in review.
const FUNCTIONS: &[&str] = &[
    "ap_add_input_filter_handle",
    "ap_add_output_filter_handle",
    "ap_discard_request_body",
    "ap_find_linked_module",
    "ap_get_brigade",
    "ap_get_output_filter_handle",
    "ap_hook_check_access",
    "ap_hook_check_config",
    "ap_hook_expr_lookup",
    "ap_hook_insert_error_filter",
    "ap_hook_insert_filter",
    "ap_hook_log_transaction",
    "ap_hook_optional_fn_retrieve",
    "ap_hook_post_config",
    "ap_hook_post_perdir_config",
    "ap_hook_post_read_request",
    "ap_hook_process_connection",
    "ap_hook_quick_handler",
    "ap_pass_brigade",
    "ap_register_auth_provider",
    "ap_register_input_filter",
    "ap_register_output_filter",
    "ap_remove_input_filter",
    "ap_remove_output_filter",
    "ap_rwrite",
    "ap_set_content_type",
    "ap_state_query",
    "apr_optional_hook_add",
    "apr_palloc",
    "apr_pool_cleanup_null",
    "apr_pool_cleanup_register",
    "apr_pstrmemdup",
    "apr_shm_baseaddr_get",
    "apr_shm_create",
    "apr_table_addn",
    "apr_table_clear",
    "apr_table_overlay",
    "apr_table_get",
    "apr_table_setn",
    "apr_table_unset",
    "tb_.*",
];
const TYPES: &[&str] = &[
    "ap_conf_vector_t",
    "ap_expr_eval_ctx_t",
    "ap_expr_lookup_parms",
    "apr_table_entry_t",
    "authz_provider",
    "authz_status",
    "cmd_parms",
    "command_rec",
    "conn_rec",
    "module",
    "request_rec",
    "server_rec",
];
const CONSTANTS: &[&str] = &[
    "ACCESS_CONF",
    "AP_AUTH_INTERNAL_PER_CONF",
    "AP_EXPR_FUNC_STRING",
    "AP_MODULE_FLAG_.*",
    "AP_SQ_.*",
    "AP_STATUS_SHORT",
    "ap_server_root",
    "APLOG_(ERR|WARNING|NOTICE|INFO|DEBUG)",
    "APR_EGENERAL_",
    "APR_HOOK_.*",
    "HTTP_(BAD_REQUEST|INTERNAL_SERVER_ERROR|SERVICE_UNAVAILABLE)",
    "M_(POST|TRACE)",
    "MODULE_MAGIC_.*",
    "OR_AUTHCFG",
    "RSRC_CONF",
];

fn main() -> ExitCode {
    for name in ["APXS", "OPENSSL_STATIC", "LIBCLANG_PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for file in ["build.rs", "apache/wrapper.h", "apache/shim.h", "apache/shim.c"] {
        println!("cargo::rerun-if-changed={file}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            println!("cargo::error={sentence}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    check_openssl()?;
    let includes = include_directories()?;
    bindings(&includes)?;
    shim(&includes)?;
    // An SSL_CTX, an SSL or a thread may outlive what httpd thinks of us: it unloads a module and loads it again
    // between its two start-up passes and at each restart. Staying mapped, the code they point to stays where it is.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    Ok(())
}

/// The module must use the same libssl as mod_ssl: a second copy inside our .so would not know its `SSL` objects.
fn check_openssl() -> Result<(), String> {
    const OLDEST: u64 = 0x1010_1000;
    if env::var_os("DEP_OPENSSL_VENDORED").is_some() {
        return Err("OpenSSL is vendored, but the module must share mod_ssl's libssl: build without openssl's feature \
                    'vendored' and install libssl-dev"
            .into());
    }
    if env::var("OPENSSL_STATIC").is_ok_and(|value| value != "0") {
        return Err("OPENSSL_STATIC is set, but the module must share mod_ssl's libssl: unset it and install libssl-dev"
            .into());
    }
    let version = env::var("DEP_OPENSSL_VERSION_NUMBER")
        .ok()
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
        .ok_or("the TLS library found is not OpenSSL: install OpenSSL 1.1.1 or newer (Debian: libssl-dev)")?;
    if version < OLDEST {
        return Err(format!("OpenSSL {version:x} is too old: install 1.1.1 or newer (Debian: libssl-dev)"));
    }
    Ok(())
}

/// The include directories of httpd, APR and OpenSSL, each checked for the header that it must hold.
fn include_directories() -> Result<Vec<PathBuf>, String> {
    let apxs = Apxs::find()?;
    let mut directories = vec![PathBuf::from(apxs.query("INCLUDEDIR")?)];
    for flag in apxs.query("EXTRA_INCLUDES")?.split_whitespace() {
        match flag.strip_prefix("-I") {
            Some(directory) if Path::new(directory).is_absolute() => directories.push(directory.into()),
            _ => {}
        }
    }
    if let Some(openssl) = env::var_os("DEP_OPENSSL_INCLUDE") {
        directories.extend(env::split_paths(&openssl));
    }
    for (header, package) in [
        ("httpd.h", "httpd's development headers (Debian: apache2-dev)"),
        (
            "mod_ssl.h",
            "mod_ssl's header (Debian: apache2-dev; from source: configure httpd with --enable-ssl)",
        ),
        ("apr.h", "APR's development headers (Debian: libapr1-dev)"),
        ("apr_optional.h", "APR-util's development headers (Debian: libaprutil1-dev)"),
    ] {
        if !directories.iter().any(|directory| directory.join(header).is_file()) {
            return Err(format!(
                "{header} is in none of the directories that {} names: install {package}",
                apxs.program.display()
            ));
        }
    }
    Ok(directories)
}

/// httpd's own answer to where things are.
struct Apxs {
    program: PathBuf,
}

impl Apxs {
    fn find() -> Result<Self, String> {
        if let Some(program) = env::var_os("APXS") {
            let apxs = Self { program: program.into() };
            return match apxs.query("INCLUDEDIR") {
                Ok(_) => Ok(apxs),
                Err(cause) => {
                    Err(format!("APXS={} does not work ({cause}): name httpd's apxs", apxs.program.display()))
                }
            };
        }
        ["apxs", "apxs2", "/usr/local/apache2/bin/apxs", "/usr/sbin/apxs"]
            .into_iter()
            .map(|program| Self { program: program.into() })
            .find(|apxs| apxs.query("INCLUDEDIR").is_ok())
            .ok_or_else(|| {
                "apxs was not found: install apache2-dev, or name httpd's own with APXS=/path/to/apxs".into()
            })
    }

    fn query(&self, variable: &str) -> Result<String, String> {
        let output =
            Command::new(&self.program).args(["-q", variable]).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("'{} -q {variable}' failed", self.program.display()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn bindings(includes: &[PathBuf]) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header("apache/wrapper.h")
        .clang_args(includes.iter().map(|directory| format!("-I{}", directory.display())))
        .clang_args(["-DLINUX", "-D_REENTRANT", "-D_GNU_SOURCE"])
        // The types of libssl are openssl-sys's, so that one `SSL` means one thing in the whole crate.
        .blocklist_type("SSL|SSL_CTX|X509|ssl_st|ssl_ctx_st|x509_st")
        .raw_line("use openssl_sys::{SSL, SSL_CTX, X509};")
        .prepend_enum_name(false)
        .layout_tests(false)
        .generate_comments(false)
        .merge_extern_blocks(true);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for ty in TYPES {
        builder = builder.allowlist_type(ty);
    }
    for constant in CONSTANTS {
        builder = builder.allowlist_var(constant);
    }
    // bindgen panics when it has no libclang to load.
    let generated = panic::catch_unwind(panic::AssertUnwindSafe(|| builder.generate()))
        .map_err(|_| "libclang was not found: install libclang-dev (or name its folder with LIBCLANG_PATH)")?
        .map_err(|error| {
            format!("httpd's headers can't be read ({error}): install apache2-dev and libclang-dev")
        })?;
    let target = out_dir()?.join("bindings.rs");
    generated
        .write_to_file(&target)
        .map_err(|error| format!("{} can't be written: {error}", target.display()))
}

fn shim(includes: &[PathBuf]) -> Result<(), String> {
    let mut build = cc::Build::new();
    build
        .file("apache/shim.c")
        .includes(includes)
        .warnings(true)
        .extra_warnings(true)
        .flag("-Wno-unused-parameter");
    for name in ["LINUX", "_REENTRANT", "_GNU_SOURCE"] {
        build.define(name, None);
    }
    build.try_compile("token_binding_shim").map_err(|error| format!("the C shim can't be compiled: {error}"))
}

fn out_dir() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| "OUT_DIR is not set: build with cargo".into())
}
