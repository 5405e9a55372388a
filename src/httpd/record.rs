//! The module's record, which httpd loads, and what hangs off it: configuration and directives.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use super::ffi;
use super::guard::{INTERNAL_ERROR, Site, guard};
use super::hook::{self, LateRegistrar, Registrar};
use super::log::Sink;
use super::pool::Pool;
use super::server::Server;
use super::slot::{OfDirectory, OfServer, Slots, This};

pub(crate) use super::ffi::module as Record;

/// What httpd asks of a module.
pub(crate) trait Module: Slots {
    /// A directive.
    type Directive: Sync + 'static;

    const NAME: &'static CStr;

    fn merge_server(outer: &Self::OfServer, inner: &Self::OfServer) -> Self::OfServer;

    fn merge_directory(outer: &Self::OfDirectory, inner: &Self::OfDirectory) -> Self::OfDirectory;

    /// Does what a directive says. The error is what httpd prints.
    fn apply(directive: &Self::Directive, section: Section<'_>, words: &[&str]) -> Result<(), String>;

    fn register(registrar: &Registrar<'_>);

    /// What a server section says has been applied: registers what is to run only because of it.
    fn register_for(server: &OfServer, late: &LateRegistrar);
}

/// What a directive writes to: it stands either in a server section or in a directory section of it.
pub(crate) enum Section<'a> {
    Server(&'a mut OfServer),
    Directory(&'a mut OfDirectory),
}

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the server and in virtual hosts.
    Server,
    /// Also in directories and locations, and in `.htaccess` where `AllowOverride AuthConfig` holds.
    ServerAndDirectory,
}

/// httpd's directive table: a row for each directive, and an empty one, the last.
pub(crate) struct Commands<const N: usize>([ffi::command_rec; N]);

// SAFETY: the table is never written to; its pointers are to static strings and `Sync` directives.
unsafe impl<const N: usize> Sync for Commands<N> {}

impl<const N: usize> Commands<N> {
    pub(crate) const fn empty() -> Self {
        const END: ffi::command_rec = ffi::command_rec {
            name: ptr::null(),
            func: ffi::cmd_func { take_argv: None },
            cmd_data: ptr::null_mut(),
            req_override: 0,
            args_how: ffi::TAKE_ARGV,
            errmsg: ptr::null(),
        };
        Self([END; N])
    }

    /// Fills a row, which must not be the last.
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    pub(crate) const fn set(
        &mut self,
        row: usize,
        name: &'static CStr,
        place: Place,
        help: &'static CStr,
        directive: &'static <This as Module>::Directive,
    ) {
        assert!(row + 1 < N, "no row for the end");
        self.0[row] = ffi::command_rec {
            name: name.as_ptr(),
            func: ffi::cmd_func { take_argv: Some(set_directive) },
            cmd_data: ptr::from_ref(directive).cast_mut().cast(),
            req_override: match place {
                Place::Server => ffi::RSRC_CONF as c_int,
                Place::ServerAndDirectory => (ffi::RSRC_CONF | ffi::ACCESS_CONF | ffi::OR_AUTHCFG) as c_int,
            },
            args_how: ffi::TAKE_ARGV,
            errmsg: help.as_ptr(),
        };
    }
}

/// The record of a module. httpd writes to it (index, handle, next), at start-up and from one thread.
pub(crate) const fn record<const N: usize>(commands: &'static Commands<N>) -> Record {
    Record {
        version: ffi::MODULE_MAGIC_NUMBER_MAJOR as c_int,
        minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR as c_int,
        module_index: -1,
        name: This::NAME.as_ptr(),
        dynamic_load_handle: ptr::null_mut(),
        next: ptr::null_mut(),
        magic: ffi::MODULE_MAGIC_COOKIE_,
        rewrite_args: None,
        create_dir_config: Some(create_directory_config),
        merge_dir_config: Some(merge_directory_config),
        create_server_config: Some(create_server_config),
        merge_server_config: Some(merge_server_config),
        cmds: commands.0.as_ptr(),
        register_hooks: Some(register_hooks),
        flags: 0,
    }
}

unsafe extern "C" fn register_hooks(pool: *mut ffi::apr_pool_t) {
    // SAFETY: httpd's pool for the configuration.
    unsafe { hook::register(pool, This::register) };
}

/// httpd has read one of the module's directives. The answer is NULL, or the error that it prints.
unsafe extern "C" fn set_directive(
    command: *mut ffi::cmd_parms,
    directory: *mut c_void,
    count: c_int,
    words: *const *mut c_char,
) -> *const c_char {
    guard(Site("Directive"), Sink::PROCESS, INTERNAL_ERROR.as_ptr(), || {
        // SAFETY: httpd gives the parameters of the directive it is reading, valid during the call.
        let command = unsafe { &*command };
        // SAFETY: cmd_data is the directive that `Commands::set` put there.
        let directive = unsafe { &*command.info.cast::<<This as Module>::Directive>() };
        // SAFETY: httpd's pool for this configuration.
        let pool = unsafe { Pool::from_raw(command.pool) };
        let count = usize::try_from(count).unwrap_or(0);
        // SAFETY: httpd gives `count` words, as C strings.
        let words = unsafe { words_of(words, count) };
        let section = if command.path.is_null() {
            // SAFETY: the server that the directive stands in.
            let config = unsafe { Server::from_raw(command.server) }.kept_ptr();
            // SAFETY: what `create_server_config` made; while it reads the configuration, httpd alone uses it.
            unsafe { config.as_mut() }.map(Section::Server)
        } else {
            // SAFETY: what `create_directory_config` made for the section; while it reads the configuration, httpd alone uses it.
            unsafe { directory.cast::<OfDirectory>().as_mut() }.map(Section::Directory)
        };
        let Some(section) = section else { return INTERNAL_ERROR.as_ptr() };
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        if let Err(message) = This::apply(directive, section, &words) {
            return pool.copy_text(&message).as_ptr();
        }
        if command.path.is_null() {
            // SAFETY: the server that the directive stands in.
            let server = unsafe { Server::from_raw(command.server) };
            // Directives of servers are read at start and restart only.
            let late = LateRegistrar::new();
            server.kept().into_iter().for_each(|config| This::register_for(config, &late));
        }
        ptr::null()
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
    unsafe { create::<OfServer>(pool) }
}

unsafe extern "C" fn create_directory_config(
    pool: *mut ffi::apr_pool_t,
    _directory: *mut c_char,
) -> *mut c_void {
    // SAFETY: httpd's pool for the configuration, or a request's for an .htaccess file.
    unsafe { create::<OfDirectory>(pool) }
}

unsafe extern "C" fn merge_server_config(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd's pool, and two settings that `create_server_config` or this function made.
    unsafe { merge(pool, outer, inner, This::merge_server) }
}

unsafe extern "C" fn merge_directory_config(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: httpd's pool, and two settings that `create_directory_config` or this function made.
    unsafe { merge(pool, outer, inner, This::merge_directory) }
}

/// # Safety
/// `pool` must be a valid pool of httpd's.
unsafe fn create<T: Default + 'static>(pool: *mut ffi::apr_pool_t) -> *mut c_void {
    guard(Site("CreateConfig"), Sink::PROCESS, ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let pool = unsafe { Pool::from_raw(pool) };
        ptr::from_mut(pool.place(T::default())).cast()
    })
}

/// # Safety
/// `pool` must be a valid pool of httpd's, `outer` and `inner` NULL or what [`create`] or this function made of this type.
unsafe fn merge<T: 'static>(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
    merge: fn(&T, &T) -> T,
) -> *mut c_void {
    guard(Site("MergeConfig"), Sink::PROCESS, ptr::null_mut(), || {
        // SAFETY: the caller's promise; nobody writes to them meanwhile.
        let [outer, inner] = [outer, inner].map(|value| unsafe { value.cast::<T>().as_ref() });
        // SAFETY: the caller's promise.
        let pool = unsafe { Pool::from_raw(pool) };
        match (outer, inner) {
            (Some(outer), Some(inner)) => ptr::from_mut(pool.place(merge(outer, inner))).cast(),
            // One of them could not be made: NULL stays NULL, and refuses.
            _ => ptr::null_mut(),
        }
    })
}
