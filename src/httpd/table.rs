//! APR's tables: a request's headers, trailers and environment.

use std::ffi::CStr;
use std::marker::PhantomData;

use crate::httpd::ffi;
use crate::httpd::pool::Pool;
use token_binding_server::headers::{Field, Taken, may_be_reserved, reserved};

/// A table that lives at least as long as `'t`, and so do the strings in it. Two are equal if they are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table<'t> {
    raw: *mut ffi::apr_table_t,
    lifetime: PhantomData<&'t ()>,
}

impl<'t> Table<'t> {
    /// # Safety
    /// `raw` must be a table whose pool is not cleared during `'t`, and used by this thread only.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::apr_table_t) -> Self {
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

    fn remove(self, name: &CStr) {
        // SAFETY: the table is alive (from_raw); the name is a C string.
        unsafe { ffi::apr_table_unset(self.raw, name.as_ptr()) }
    }

    /// Removes every header that a client must not send beyond this module, and tells what was there. Where that was one
    /// message and nothing else, as with most requests of clients that have a key, its entry is left to the caller.
    pub(crate) fn take_reserved(self) -> (Taken<'t>, Option<MessageEntry<'t>>) {
        let mut candidates = self.entries().enumerate().filter(|(_, entry)| may_be_reserved(entry.initial()));
        match candidates.next() {
            Some(first) => self.take(std::iter::once(first).chain(candidates)),
            None => (Taken::default(), None),
        }
    }

    fn take(
        self,
        candidates: impl Iterator<Item = (usize, Entry<'t>)>,
    ) -> (Taken<'t>, Option<MessageEntry<'t>>) {
        let mut taken = Taken::default();
        let mut found = 0;
        let mut last = None;
        for (place, entry) in candidates {
            if taken.add(entry.name().to_bytes(), entry.value().to_bytes()) {
                found += 1;
                last = Some((place, entry.name()));
            }
        }
        match last {
            None => {}
            Some((place, name)) if found == 1 && taken.message != Field::Absent => {
                return (taken, Some(MessageEntry { table: self, place, name }));
            }
            Some((_, name)) if found == 1 => self.remove(name),
            Some(_) => self.retain(|name| reserved(name).is_none()),
        }
        (taken, None)
    }

    /// Gives the entry at a place another name and value, without moving the others. `false`: another entry is there.
    ///
    /// Both names must begin with the same four letters: that is what APR's tables find their entries by.
    fn rename(self, place: usize, name: &CStr, new_name: &'t CStr, value: &'t CStr) -> bool {
        // SAFETY: apr_table_elts is a cast: an apr_table_t begins with its array header, which is alive (from_raw).
        let array = unsafe { &*self.raw.cast::<ffi::apr_array_header_t>() };
        let count = usize::try_from(array.nelts).unwrap_or(0);
        if place >= count {
            return false;
        }
        // SAFETY: the array holds `nelts` initialised entries, at least one, and no iterator over it is in use.
        let entries: &mut [ffi::apr_table_entry_t] =
            unsafe { std::slice::from_raw_parts_mut(array.elts.cast(), count) };
        match entries.get_mut(place).filter(|entry| entry.key.cast_const() == name.as_ptr()) {
            Some(entry) => {
                (entry.key, entry.val) = (new_name.as_ptr().cast_mut(), value.as_ptr().cast_mut());
                true
            }
            None => false,
        }
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
        // SAFETY: the table is alive (from_raw); no iterator over it is left.
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

    pub(crate) fn as_ptr(self) -> *mut ffi::apr_table_t {
        self.raw
    }

    /// Whether there is an entry whose name begins with this letter, in lower case here and in any case there.
    pub(crate) fn has_initial(self, letter: u8) -> bool {
        self.entries().any(|entry| entry.initial() | 0x20 == letter)
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(self) -> bool {
        self.entries().next().is_none()
    }

    /// The entries, as long as the table is not changed. Their strings live in the table's pool, and so survive
    /// their entry's removal.
    fn entries(self) -> impl Iterator<Item = Entry<'t>> {
        // SAFETY: apr_table_elts is a cast: an apr_table_t begins with its array header, which is alive (from_raw).
        let array = unsafe { &*self.raw.cast::<ffi::apr_array_header_t>() };
        let count = usize::try_from(array.nelts).unwrap_or(0);
        let entries: &'t [ffi::apr_table_entry_t] = if count == 0 || array.elts.is_null() {
            &[]
        } else {
            // SAFETY: the array holds `nelts` initialised entries; it is not changed while the iterator is in use.
            unsafe { std::slice::from_raw_parts(array.elts.cast(), count) }
        };
        entries.iter().filter(|entry| !entry.key.is_null()).map(Entry)
    }
}

/// The entry of a client's `Sec-Token-Binding` header. It is replaced by what it has proved, or removed.
pub(crate) struct MessageEntry<'t> {
    table: Table<'t>,
    place: usize,
    name: &'t CStr,
}

impl<'t> MessageEntry<'t> {
    /// Puts the header that passes the result on in its place.
    pub(crate) fn replace(self, name: &'t CStr, value: &'t CStr) {
        let (table, is_replaced) = (self.table, self.table.rename(self.place, self.name, name, value));
        if is_replaced {
            std::mem::forget(self);
        } else {
            drop(self);
            table.add(name, value);
        }
    }
}

impl Drop for MessageEntry<'_> {
    fn drop(&mut self) {
        self.table.remove(self.name);
    }
}

/// An entry of a table, with a name. How long a string is, C finds out by reading it: only what is asked for
/// is read.
#[derive(Clone, Copy)]
struct Entry<'t>(&'t ffi::apr_table_entry_t);

impl<'t> Entry<'t> {
    /// The name's first byte; 0 for a name without any.
    fn initial(self) -> u8 {
        // SAFETY: a table's names are C strings, which have at least their NUL.
        unsafe { *self.0.key.cast::<u8>() }
    }

    fn name(self) -> &'t CStr {
        // SAFETY: a table's names are C strings in a pool that outlives 't.
        unsafe { CStr::from_ptr(self.0.key) }
    }

    fn value(self) -> &'t CStr {
        if self.0.val.is_null() {
            return c"";
        }
        // SAFETY: a table's values are C strings in a pool that outlives 't.
        unsafe { CStr::from_ptr(self.0.val) }
    }
}
