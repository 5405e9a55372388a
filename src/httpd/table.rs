//! APR's tables: a request's headers, trailers and environment.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use super::ffi;
use super::pool::Pool;

/// What APR leaves of a name's first four bytes, to find names of any case (`CASE_MASK` in apr_tables.c).
const CASE_MASK: u32 = 0xdfdf_dfdf;

/// A table that lives at least as long as `'t`, and so do the strings in it. Two are equal if they are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table<'t> {
    raw: *mut ffi::apr_table_t,
    lifetime: PhantomData<&'t ()>,
}

impl<'t> Table<'t> {
    /// # Safety
    /// `raw` must be a table whose pool is not cleared during `'t`, and used by this thread only.
    pub(super) unsafe fn from_raw(raw: *mut ffi::apr_table_t) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// The value of the first entry with this name, in any case.
    pub(crate) fn get(self, name: &CStr) -> Option<&'t CStr> {
        // SAFETY: the table is alive (from_raw); the name is a C string.
        let value = unsafe { ffi::apr_table_get(self.raw, name.as_ptr()) };
        // SAFETY: a table's values are C strings in its pool, which outlives 't.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    }

    /// The values of all entries with this name, in any case.
    pub(crate) fn all(self, name: &CStr) -> impl Iterator<Item = &'t CStr> + use<'t, '_> {
        let is_it = move |its: &CStr| its == name || its.to_bytes().eq_ignore_ascii_case(name.to_bytes());
        self.entries().filter(move |entry| is_it(entry.name())).map(Entry::value)
    }

    /// Adds an entry, whether or not there is one with this name. Neither string is copied.
    pub(crate) fn add(self, name: &'t CStr, value: &'t CStr) {
        // SAFETY: the table is alive (from_raw), and the strings live as long as it does.
        unsafe { ffi::apr_table_addn(self.raw, name.as_ptr(), value.as_ptr()) }
    }

    /// Sets the one entry with this name. Neither string is copied: both live as long as the table.
    pub(crate) fn set(self, name: &'t CStr, value: &'t CStr) {
        // SAFETY: the table is alive (from_raw), and the strings live as long as it does.
        unsafe { ffi::apr_table_setn(self.raw, name.as_ptr(), value.as_ptr()) }
    }

    /// Removes every entry with this name, in any case. Finding that there is none is what `apr_table_get` does five times
    /// faster than `apr_table_unset`.
    pub(crate) fn unset(self, name: &CStr) {
        if self.get(name).is_some() {
            self.remove(name);
        }
    }

    /// Removes every entry with this name, which is there.
    pub(crate) fn remove(self, name: &CStr) {
        // SAFETY: the table is alive (from_raw); the name is a C string.
        unsafe { ffi::apr_table_unset(self.raw, name.as_ptr()) }
    }

    /// Gives the entry at a place another name and value, without moving the others. `false`: another entry is there, or the
    /// names don't begin with the same four letters, which is what APR's tables find their entries by.
    pub(crate) fn rename(self, place: usize, name: &CStr, new_name: &'t CStr, value: &'t CStr) -> bool {
        let start =
            |name: &CStr| name.to_bytes().first_chunk().map(|start| u32::from_ne_bytes(*start) & CASE_MASK);
        if start(name) != start(new_name) {
            return false;
        }
        let (entries, count) = self.array();
        if place >= count {
            return false;
        }
        // SAFETY: the array holds `count` initialised entries, and this thread alone uses it.
        let entry = unsafe { &mut *entries.wrapping_add(place) };
        if entry.key.cast_const() != name.as_ptr() {
            return false;
        }
        (entry.key, entry.val) = (new_name.as_ptr().cast_mut(), value.as_ptr().cast_mut());
        true
    }

    /// Removes the entries whose names don't stay. One by one that would take, of a client that sends thousands, the square
    /// of the time.
    pub(crate) fn retain(self, stays: impl Fn(&[u8]) -> bool) {
        let mut gone = 0;
        let kept: Vec<(&CStr, &CStr)> = self
            .entries()
            .filter(|entry| {
                stays(entry.name().to_bytes()) || {
                    gone += 1;
                    false
                }
            })
            .map(|entry| (entry.name(), entry.value()))
            .collect();
        if gone == 0 {
            return;
        }
        // SAFETY: the table is alive (from_raw).
        unsafe { ffi::apr_table_clear(self.raw) };
        for (name, value) in kept {
            self.add(name, value);
        }
    }

    /// A new table with these entries, and behind them those of another.
    pub(crate) fn overlay(self, other: Self, pool: Pool<'t>) -> Self {
        // SAFETY: both tables and the pool are alive (from_raw).
        let raw = unsafe { ffi::apr_table_overlay(pool.as_ptr(), self.raw, other.raw) };
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::apr_table_t {
        self.raw
    }

    /// Whether there is an entry whose name begins with this letter, in lower case here and in any case there.
    pub(crate) fn has_initial(self, letter: u8) -> bool {
        self.entries().any(|entry| entry.initial() | 0x20 == letter)
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(self) -> bool {
        let (_, count) = self.array();
        count == 0
    }

    /// The entries and their number.
    fn array(self) -> (*mut ffi::apr_table_entry_t, usize) {
        // SAFETY: apr_table_elts is a cast: an apr_table_t begins with its array header, which is alive (from_raw).
        let array = unsafe { &*self.raw.cast::<ffi::apr_array_header_t>() };
        (array.elts.cast(), usize::try_from(array.nelts).unwrap_or(0))
    }

    /// The entries, each as it is when it is its turn: the table may change meanwhile. Their strings live in the table's
    /// pool, and so survive their entry's removal.
    pub(crate) fn entries(self) -> impl Iterator<Item = Entry<'t>> {
        self.entries_with(|_| true)
    }

    /// Those whose names have such a first byte (0 for a name without any). Whether it is such a byte, a function without
    /// surroundings says: it can't change the table.
    pub(crate) fn entries_with(self, initial: fn(u8) -> bool) -> impl Iterator<Item = Entry<'t>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let (entries, count) = self.array();
            if next >= count {
                return None;
            }
            // SAFETY: the array holds `count` initialised entries, which nobody changes while the slice is in use.
            let rest = unsafe { std::slice::from_raw_parts(entries.wrapping_add(next), count - next) };
            let entry = |entry: &ffi::apr_table_entry_t| Entry {
                place: 0,
                name: entry.key,
                value: entry.val,
                lifetime: PhantomData,
            };
            let found = rest.iter().position(|it| !it.key.is_null() && initial(entry(it).initial()))?;
            let place = next + found;
            next = place + 1;
            rest.get(found).map(|it| Entry { place, ..entry(it) })
        })
    }
}

/// An entry of a table, with a name. How long a string is, C finds out by reading it: only what is asked for is read.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'t> {
    place: usize,
    name: *const c_char,
    value: *const c_char,
    lifetime: PhantomData<&'t ()>,
}

impl<'t> Entry<'t> {
    /// Where it stands in its table.
    pub(crate) fn place(self) -> usize {
        self.place
    }

    /// The name's first byte; 0 for a name without any.
    fn initial(self) -> u8 {
        // SAFETY: a table's names are C strings, which have at least their NUL.
        unsafe { *self.name.cast::<u8>() }
    }

    pub(crate) fn name(self) -> &'t CStr {
        // SAFETY: a table's names are C strings in a pool that outlives 't.
        unsafe { CStr::from_ptr(self.name) }
    }

    pub(crate) fn value(self) -> &'t CStr {
        if self.value.is_null() {
            return c"";
        }
        // SAFETY: a table's values are C strings in a pool that outlives 't.
        unsafe { CStr::from_ptr(self.value) }
    }
}
