//! The module record, the one symbol that httpd loads, and what hangs off it: configuration and directives.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use crate::httpd::ffi;
use crate::httpd::guard::{INTERNAL_ERROR, Site, guard};
use crate::httpd::hook;
use crate::httpd::log::Sink;
use crate::httpd::pool::Pool;
use crate::httpd::server::Server;
use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::directives::{DIRECTIVES, Directive, Place, Section};

/// What `LoadModule token_binding_module` looks for. httpd writes to it (index, handle, next), at start-up and from one
/// thread; we only take its address.
#[unsafe(no_mangle)]
#[allow(
    non_upper_case_globals,
    unreachable_pub,
    reason = "exported to httpd; the name is in every site's configuration"
)]
pub static mut token_binding_module: ffi::module = ffi::module {
    version: ffi::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_token_binding.c".as_ptr(),
    dynamic_load_handle: ptr::null_mut(),
    next: ptr::null_mut(),
    magic: ffi::MODULE_MAGIC_COOKIE_,
    rewrite_args: None,
    create_dir_config: Some(create_directory_config),
    merge_dir_config: Some(merge_directory_config),
    create_server_config: Some(create_server_config),
    merge_server_config: Some(merge_server_config),
    cmds: COMMANDS.0.as_ptr(),
    register_hooks: Some(hook::register),
    flags: 0,
};

/// Our record, as httpd's functions take it.
pub(crate) fn module() -> *const ffi::module {
    &raw const token_binding_module
}

/// httpd's directive table, made of ours; the last row is empty.
struct Commands([ffi::command_rec; DIRECTIVES.len() + 1]);

// SAFETY: the table is never written to; its pointers are to static strings and rows.
unsafe impl Sync for Commands {}

static ROWS: [Directive; DIRECTIVES.len()] = DIRECTIVES;
static COMMANDS: Commands = Commands(commands());

const fn commands() -> [ffi::command_rec; DIRECTIVES.len() + 1] {
    let end = ffi::command_rec {
        name: ptr::null(),
        func: ffi::cmd_func { take_argv: None },
        cmd_data: ptr::null_mut(),
        req_override: 0,
        args_how: ffi::TAKE_ARGV,
        errmsg: ptr::null(),
    };
    let mut commands = [end; DIRECTIVES.len() + 1];
    let mut row = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler; const code can't iterate")]
    while row < ROWS.len() {
        let directive = &ROWS[row];
        commands[row] = ffi::command_rec {
            name: directive.name.as_ptr(),
            func: ffi::cmd_func { take_argv: Some(set_directive) },
            cmd_data: ptr::from_ref(directive).cast_mut().cast(),
            req_override: match directive.place {
                Place::Server => ffi::RSRC_CONF as c_int,
                Place::ServerAndDirectory => (ffi::RSRC_CONF | ffi::ACCESS_CONF | ffi::OR_AUTHCFG) as c_int,
            },
            args_how: ffi::TAKE_ARGV,
            errmsg: directive.help.as_ptr(),
        };
        row += 1;
    }
    commands
}

/// httpd has read one of our directives. The answer is NULL, or the error that it prints.
unsafe extern "C" fn set_directive(
    command: *mut ffi::cmd_parms,
    directory: *mut c_void,
    count: c_int,
    words: *const *mut c_char,
) -> *const c_char {
    guard(Site::Directive, Sink::Process, INTERNAL_ERROR.as_ptr(), || {
        // SAFETY: httpd gives the parameters of the directive it is reading, valid during the call.
        let command = unsafe { &*command };
        // SAFETY: cmd_data is the row that `commands` put there.
        let directive = unsafe { &*command.info.cast::<Directive>() };
        // SAFETY: httpd's pool for this configuration.
        let pool = unsafe { Pool::from_raw(command.pool) };
        let count = usize::try_from(count).unwrap_or(0);
        // SAFETY: httpd gives `count` words, as C strings.
        let words = unsafe { words_of(words, count) };
        let section = if command.path.is_null() {
            // SAFETY: the server that the directive stands in.
            let config = unsafe { Server::from_raw(command.server) }.config_ptr();
            // SAFETY: what `create_server_config` made; while it reads the configuration, httpd alone uses it.
            unsafe { config.as_mut() }.map(Section::Server)
        } else {
            // SAFETY: what `create_directory_config` made for the section; httpd alone uses it while it reads.
            unsafe { directory.cast::<DirectoryConfig>().as_mut() }.map(Section::Directory)
        };
        let Some(section) = section else { return INTERNAL_ERROR.as_ptr() };
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        match directive.apply(section, &words) {
            Ok(()) => ptr::null(),
            Err(message) => pool.copy_text(&message).as_ptr(),
        }
    })
}

/// # Safety
/// `words` must be `count` pointers to C strings that are valid during `'w`.
unsafe fn words_of<'w>(words: *const *mut c_char, count: usize) -> Vec<&'w CStr> {
    if count == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise: there are `count` pointers.
    let words = unsafe { std::slice::from_raw_parts(words, count) };
    // SAFETY: the caller's promise: each is a C string.
    words.iter().map(|word| unsafe { CStr::from_ptr(*word) }).collect()
}

unsafe extern "C" fn create_server_config(
    pool: *mut ffi::apr_pool_t,
    _server: *mut ffi::server_rec,
) -> *mut c_void {
    // SAFETY: httpd's pool for the configuration.
    unsafe { create::<ServerConfig>(pool) }
}

unsafe extern "C" fn create_directory_config(
    pool: *mut ffi::apr_pool_t,
    _directory: *mut c_char,
) -> *mut c_void {
    // SAFETY: httpd's pool for the configuration, or a request's for an .htaccess file.
    unsafe { create::<DirectoryConfig>(pool) }
}

unsafe extern "C" fn merge_server_config(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd's pool, and two settings that `create_server_config` or this function made.
    unsafe { merge(pool, outer, inner, ServerConfig::merge) }
}

unsafe extern "C" fn merge_directory_config(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd's pool, and two settings that `create_directory_config` or this function made.
    unsafe { merge(pool, outer, inner, DirectoryConfig::merge) }
}

/// # Safety
/// `pool` must be a valid pool of httpd's.
unsafe fn create<T: Default + 'static>(pool: *mut ffi::apr_pool_t) -> *mut c_void {
    guard(Site::CreateConfig, Sink::Process, ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let pool = unsafe { Pool::from_raw(pool) };
        ptr::from_mut(pool.place(T::default())).cast()
    })
}

/// # Safety
/// `pool` must be a valid pool of httpd's, `outer` and `inner` NULL or settings of type `T`.
unsafe fn merge<T: 'static>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
    merge: fn(&T, &T) -> T,
) -> *mut c_void {
    guard(Site::MergeConfig, Sink::Process, ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let outer = unsafe { outer.cast::<T>().as_ref() };
        // SAFETY: the caller's promise.
        let inner = unsafe { inner.cast::<T>().as_ref() };
        // SAFETY: the caller's promise.
        let pool = unsafe { Pool::from_raw(pool) };
        match (outer, inner) {
            (Some(outer), Some(inner)) => ptr::from_mut(pool.place(merge(outer, inner))).cast(),
            // One of them could not be made: NULL stays NULL, and refuses.
            _ => ptr::null_mut(),
        }
    })
}
