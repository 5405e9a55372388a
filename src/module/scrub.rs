//! Takes what a client must not send beyond the module out of a request's headers.

use std::ffi::CStr;

use token_binding_server::headers::{Field, Taken, may_be_reserved, reserved};

use crate::httpd::table::{Entry, Table};

/// Removes every header that a client must not send beyond this module, and adds to `taken` what was there. Where that was one message
/// and nothing else, as with most requests of clients that have a key, its entry is left to the caller.
#[inline]
pub(super) fn take_reserved<'t>(headers: Table<'t>, taken: &mut Taken<'t>) -> Option<MessageEntry<'t>> {
    let mut found = 0;
    let mut last = None;
    for entry in headers.entries_with(may_be_reserved) {
        if taken.add(entry.name().to_bytes(), entry.value().to_bytes()) {
            found += 1;
            last = Some(entry);
        }
    }
    match last {
        None => {}
        Some(entry) if found == 1 && taken.message != Field::Absent => {
            return Some(MessageEntry { table: headers, entry });
        }
        Some(entry) if found == 1 => headers.remove(entry.name()),
        Some(_) => headers.retain(|name| reserved(name).is_none()),
    }
    None
}

/// The entry of a client's `Sec-Token-Binding` header. It is replaced by what it has proved, or removed.
pub(super) struct MessageEntry<'t> {
    table: Table<'t>,
    entry: Entry<'t>,
}

impl<'t> MessageEntry<'t> {
    /// Puts the header that passes the result on in its place.
    pub(super) fn replace(self, name: &'t CStr, value: &'t CStr) {
        let table = self.table;
        if table.rename(self.entry.place(), self.entry.name(), name, value) {
            std::mem::forget(self);
        } else {
            drop(self);
            table.add(name, value);
        }
    }
}

impl Drop for MessageEntry<'_> {
    fn drop(&mut self) {
        self.table.remove(self.entry.name());
    }
}
