//! What the server counts, over all its processes, for mod_status. The counters live in memory that the processes share;
//! each is one atomic number: lock-free.

use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes the enum of a table: what is counted, its name in `server-status?auto` after `TokenBinding`, and its words on the page.
macro_rules! counts {
    ($($(#[$doc:meta])* $count:ident: $name:literal, $words:literal;)+) => {
        /// One thing that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Count { $($(#[$doc])* $count,)+ }

        impl Count {
            const ALL: &[Self] = &[$(Self::$count),+];

            const fn name(self) -> &'static str {
                match self { $(Self::$count => $name),+ }
            }

            const fn words(self) -> &'static str {
                match self { $(Self::$count => $words),+ }
            }
        }
    };
}

counts! {
    /// Connections whose handshake negotiated Token Binding (a renegotiation counts again).
    Negotiated: "Negotiated", "connections with Token Binding";
    /// TLS connections whose client did not offer it.
    NotOffered: "NotOffered", "TLS connections without an offer of it";
    /// TLS connections whose client offered what is not accepted here.
    NotAgreed: "NotAgreed", "TLS connections with an offer that is not accepted";
    /// Messages whose signatures were checked and are right.
    Verified: "Verified", "messages verified";
    /// Messages that were verified before on the same connection.
    FromCache: "FromCache", "messages known from before, on the same connection";
    /// TB101.
    DuplicateHeader: "RefusedDuplicateHeader", "TB101: more than one header";
    /// TB102.
    MissingHeader: "RefusedMissingHeader", "TB102: header missing";
    /// TB103.
    HeaderNotNegotiated: "RefusedNotNegotiated", "TB103: header, but not negotiated";
    /// TB104.
    NotAcceptedHere: "RefusedNotAcceptedHere", "TB104: not accepted by the virtual host";
    /// TB105.
    WrongMessage: "RefusedWrongMessage", "TB105: message wrong";
    /// TB107, TB108: what a trusted proxy sent.
    Forwarded: "RefusedForwarded", "TB107, TB108: wrong headers of a trusted proxy";
    /// TB110.
    HopByHop: "RefusedConnection", "TB110: Connection names the headers that pass bindings or certificates on";
    /// TB106.
    Fault: "RefusedFault", "TB106: fault of the server";
    /// TB102, with `TokenBindingStrict Off`.
    WouldRefuseMissingHeader: "WouldRefuseMissingHeader", "TB102: header missing; served, Strict On would refuse it";
    /// TB103, with `TokenBindingStrict Off`.
    WouldRefuseNotNegotiated: "WouldRefuseNotNegotiated", "TB103: header, but not negotiated; served, Strict On would refuse it";
    /// TB104, with `TokenBindingStrict Off`.
    WouldRefuseNotAcceptedHere: "WouldRefuseNotAcceptedHere", "TB104: not accepted by the virtual host; served, Strict On would refuse it";
    /// TB105, with `TokenBindingStrict Off`.
    WouldRefuseWrongMessage: "WouldRefuseWrongMessage", "TB105: message wrong; served, Strict On would refuse it";
    /// TB109.
    NotTrusted: "NotTrusted", "TB109: requests with a proxy's headers whose peer is no trusted proxy";
    /// Requests whose client has proved no key, by Token Binding or by DBSC.
    RequestsUnbound: "RequestsUnbound", "requests of clients without a key";
    /// Requests whose client has proved the key of its device, by DBSC.
    RequestsDevice: "RequestsDevice", "requests of clients with a device's key";
    /// Bound cookies set.
    CookiesSealed: "CookiesSealed", "bound cookies set";
    /// Bound cookies that a client may not get.
    CookiesWithheld: "CookiesWithheld", "bound cookies withheld from clients";
    /// Bound cookies whose seal held.
    CookiesAccepted: "CookiesAccepted", "bound cookies accepted";
    /// Of those, by whom they were sealed for.
    CookiesAcceptedDevice: "CookiesAcceptedDevice", "of those, bound to a device's key";
    CookiesAcceptedPending: "CookiesAcceptedPending", "of those, waiting for a device's key";
    CookiesAcceptedUnbound: "CookiesAcceptedUnbound", "of those, of clients without a key";
    /// Bound cookies that did not reach the application.
    CookiesRefused: "CookiesRefused", "bound cookies refused";
    /// With `TokenBindingCookiePolicy report`: not sealed here, as those of sessions from before.
    CookiesWouldRefuseUnsealed: "CookiesWouldRefuseUnsealed", "TB305: cookies passed that would be refused: not sealed";
    CookiesWouldRefuseSecret: "CookiesWouldRefuseSecret", "TB305: cookies passed that would be refused: another secret or realm";
    CookiesWouldRefuseOtherKey: "CookiesWouldRefuseOtherKey", "TB305: cookies passed that would be refused: another client's, or changed";
    CookiesWouldRefuseNoProof: "CookiesWouldRefuseNoProof", "TB305: cookies passed that would be refused: no proof of a device's key";
    /// With `TokenBindingCookiePolicy report`: sent as the application set them.
    CookiesWouldWithhold: "CookiesWouldWithhold", "TB305: cookies sent as they are that would be withheld";
    /// Responses that offered a registration.
    DbscOffered: "DBSCOffered", "DBSC: registrations offered";
    /// Keys registered.
    DbscRegistered: "DBSCRegistered", "DBSC: keys registered";
    /// Refreshes that came without a proof, and got a challenge.
    DbscChallenged: "DBSCChallenged", "DBSC: challenges given";
    /// Keys proved.
    DbscRefreshed: "DBSCRefreshed", "DBSC: sessions refreshed";
    /// Sessions ended for a newer one of the same browser (TB404).
    DbscEnded: "DBSCEnded", "DBSC: sessions ended, TB404: a newer one is there";
    /// Pending cookies sealed to a key.
    DbscCookiesUpgraded: "DBSCCookiesUpgraded", "DBSC: pending cookies bound to a key";
    /// Cookies that a request had no proof for.
    DbscCookiesKeptBack: "DBSCCookiesKeptBack", "DBSC: cookies kept back for want of a proof";
    /// TB405.
    DbscPutOff: "DBSCPutOff", "DBSC: requests put off, TB405: the browser could not refresh";
    /// TB401, TB402: no proof as the draft has it.
    DbscRefusedMalformed: "DBSCRefusedMalformed", "DBSC: refused, TB401, TB402: malformed";
    /// TB401, TB402: no challenge of this server's and this session's, or an old one.
    DbscRefusedChallenge: "DBSCRefusedChallenge", "DBSC: refused, TB401, TB402: challenge old or another's";
    /// TB401, TB402.
    DbscRefusedSignature: "DBSCRefusedSignature", "DBSC: refused, TB401, TB402: signature wrong";
    /// TB402.
    DbscRefusedIdentifier: "DBSCRefusedIdentifier", "DBSC: refused, TB402: session identifier changed";
    /// TB403.
    DbscRefusedFault: "DBSCRefusedFault", "DBSC: refused, TB403: could not be decided";
}

/// What the server's processes share. Zeroed memory is a valid value.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Shared {
    pub counters: Counters,
    /// Cookies that were warned of.
    pub warned: Names,
    pub warnings: Warnings,
}

/// When each kind of event was warned of last, so that a stream of them makes one warning a minute.
#[derive(Debug)]
#[repr(C)]
pub struct Warnings([Warning; Count::ALL.len()]);

impl Default for Warnings {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Warning::default()))
    }
}

#[derive(Debug, Default)]
#[repr(C)]
struct Warning {
    /// The second of the last one, since 1970.
    at: AtomicU64,
    /// Events since that nobody was told of.
    left_out: AtomicU64,
}

/// How long there is no second warning of a kind, in seconds.
const QUIET: u64 = 60;

impl Warnings {
    /// Whether this event is to be warned of, at `now` in seconds since 1970. `Some`: yes, and how many there were since the last
    /// one that nobody was told of.
    pub fn is_due(&self, count: Count, now: u64) -> Option<u64> {
        let warning = self.0.get(count as usize)?;
        let last = warning.at.load(Ordering::Relaxed);
        // A clock that was set back is no reason to be silent.
        if last != 0 && (last..last.saturating_add(QUIET)).contains(&now) {
            return None;
        }
        // Of several processes, one warns.
        warning.at.compare_exchange(last, now.max(1), Ordering::Relaxed, Ordering::Relaxed).ok()?;
        Some(warning.left_out.swap(0, Ordering::Relaxed))
    }

    /// There was an event that nobody was told of.
    pub fn leave_out(&self, count: Count) {
        if let Some(warning) = self.0.get(count as usize) {
            warning.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A lock-free set of limited size: names that don't fit are not remembered.
#[derive(Debug)]
#[repr(C)]
pub struct Names([AtomicU64; 64]);

impl Default for Names {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; 64])
    }
}

impl Names {
    /// Adds the name and returns whether it is new. A full set takes no more, and reports nothing as new.
    pub fn add(&self, name: &[u8]) -> bool {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(name);
        // Zero stands for a free place.
        let hash = hasher.finish().max(1);
        for place in &self.0 {
            match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(there) if there == hash => return false,
                Err(_) => {}
            }
        }
        false
    }

    pub fn clear(&self) {
        for place in &self.0 {
            place.store(0, Ordering::Relaxed);
        }
    }
}

/// All counters.
#[derive(Debug)]
#[repr(C)]
pub struct Counters([AtomicU64; Count::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Count::ALL.len()])
    }
}

impl Counters {
    pub fn add(&self, count: Count, number: u64) {
        if let Some(counter) = self.0.get(count as usize) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    fn get(&self, count: Count) -> u64 {
        self.0.get(count as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Of a hundred requests, how many came from clients that have proved a key by Token Binding, and by DBSC.
    fn percent_bound(&self) -> [f64; 2] {
        let bound = self.get(Count::Verified).saturating_add(self.get(Count::FromCache));
        let device = self.get(Count::RequestsDevice);
        let all = bound.saturating_add(device).saturating_add(self.get(Count::RequestsUnbound)).max(1);
        #[allow(clippy::cast_precision_loss, reason = "a percentage with one decimal")]
        [bound, device].map(|part| 100.0 * part as f64 / all as f64)
    }

    /// `server-status?auto`: a line each.
    pub fn as_lines(&self) -> String {
        let mut text = String::new();
        for &count in Count::ALL {
            // Writing to a String can't fail.
            let _ = writeln!(text, "TokenBinding{}: {}", count.name(), self.get(count));
        }
        let [bound, device] = self.percent_bound();
        let _ =
            writeln!(text, "TokenBindingPercentBound: {bound:.1}\nTokenBindingPercentDevice: {device:.1}");
        text
    }

    /// A part of the HTML page.
    pub fn as_html(&self) -> String {
        let mut text = "<hr />\n<h2>Token Binding</h2>\n<table>\n".to_owned();
        for &count in Count::ALL {
            // Writing to a String can't fail.
            let _ = writeln!(text, "<tr><td>{}</td><td>{}</td></tr>", count.words(), self.get(count));
        }
        let [bound, device] = self.percent_bound();
        let _ = writeln!(
            text,
            "<tr><td>requests with a proved key</td><td>{bound:.1} % by Token Binding, {device:.1} % by DBSC</td></tr>"
        );
        text + "</table>\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once() {
        let names = Names::default();
        assert!(names.add(b"sid") && !names.add(b"sid") && names.add(b"tid"));
        names.clear();
        assert!(names.add(b"sid"));
        let new = (0..100).filter(|number: &u32| names.add(&number.to_be_bytes())).count();
        assert_eq!(new, 63, "a full set takes no more");
    }

    #[test]
    fn one_warning_a_minute_says_how_many_there_were() {
        let warnings = Warnings::default();
        let due = |now| warnings.is_due(Count::WrongMessage, now);
        assert_eq!(due(1_000), Some(0));
        for now in [1_000, 1_030, 1_059] {
            assert_eq!(due(now), None, "{now}");
            warnings.leave_out(Count::WrongMessage);
        }
        assert_eq!(warnings.is_due(Count::MissingHeader, 1_030), Some(0), "each kind for itself");
        assert_eq!(due(1_060), Some(3));
        assert_eq!(due(1_061), None);
        assert_eq!(due(500), Some(0), "the clock was set back");
    }

    #[test]
    fn each_is_counted_and_shown_for_itself() {
        let counters = Counters::default();
        for (number, &count) in Count::ALL.iter().enumerate() {
            assert_eq!(count as usize, number);
            counters.add(count, number as u64 + 1);
        }
        let (lines, html) = (counters.as_lines(), counters.as_html());
        for (number, &count) in Count::ALL.iter().enumerate() {
            let (name, words) = (count.name(), count.words());
            assert!(lines.contains(&format!("TokenBinding{name}: {}\n", number + 1)), "{lines}");
            assert!(html.contains(&format!("<td>{words}</td><td>{}</td>", number + 1)), "{html}");
        }
        assert_eq!(lines.lines().count(), Count::ALL.len() + 2);
    }

    #[test]
    fn the_share_of_bound_requests_can_be_read_off() {
        let counters = Counters::default();
        assert!(counters.as_lines().contains("PercentBound: 0.0\n"), "nobody was there yet");
        for (count, number) in [
            (Count::Verified, 1),
            (Count::FromCache, 2),
            (Count::RequestsDevice, 5),
            (Count::RequestsUnbound, 2),
        ] {
            counters.add(count, number);
        }
        assert!(counters.as_lines().ends_with("PercentBound: 30.0\nTokenBindingPercentDevice: 50.0\n"));
        assert!(counters.as_html().contains("30.0 % by Token Binding, 50.0 % by DBSC"));
    }
}
