//! The reverse proxies that are trusted to report their clients' Token Bindings.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

/// The networks that trusted proxies connect from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a peer with this address is one of them. An address that can't be read is not.
    pub fn contain(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Extend<Network> for TrustedProxies {
    fn extend<T: IntoIterator<Item = Network>>(&mut self, networks: T) {
        self.0.extend(networks.into_iter().map(|network| network.0));
    }
}

impl FromIterator<Network> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = Network>>(networks: T) -> Self {
        let mut proxies = Self::default();
        proxies.extend(networks);
        proxies
    }
}

/// One address, or a network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match word.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix_length(prefix).ok_or(NoNetwork::Form)?)),
            None => (word, None),
        };
        // Rust reads no octet with a zero before it, which others take for octal; ipnet does.
        let address: IpAddr = address.parse().map_err(|_| NoNetwork::Form)?;
        let network = match prefix {
            Some(prefix) => IpNet::new(address, prefix).map_err(|_| NoNetwork::Form)?,
            None => IpNet::from(address),
        };
        if network.addr() != network.network() {
            return Err(NoNetwork::HostBits(network.trunc()));
        }
        let network = canonical(network);
        if network.prefix_len() < narrowest(&network) {
            return Err(NoNetwork::Everybody);
        }
        Ok(Self(network))
    }
}

/// Why a word names no network of proxies. Its words are printed behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoNetwork {
    /// It is neither an address nor a network: nothing more need be said.
    #[error("")]
    Form,
    /// Either the address or the length is a slip, and which one, nobody but the writer knows.
    #[error(": the address has bits behind the prefix; the network is {0}, the host is {host}", host = .0.addr())]
    HostBits(IpNet),
    #[error(": a network so wide is everybody's, and each client in it could pass for any other")]
    Everybody,
}

/// How long a prefix must be at least: that of the widest private networks (10.0.0.0/8, fc00::/7), and in the part of IPv6 that
/// the world's addresses are of (2000::/3), more than what a registry gives a provider.
fn narrowest(network: &IpNet) -> u8 {
    match network {
        IpNet::V4(_) => 8,
        IpNet::V6(network) if network.addr().octets()[0] >> 5 == 1 => 20,
        IpNet::V6(_) => 7,
    }
}

/// Decimal digits only, and no zero before them.
fn prefix_length(digits: &str) -> Option<u8> {
    digits.parse().ok().filter(|number: &u8| number.to_string() == digits)
}

/// Peers are compared as IPv4 where their IPv6 addresses map to it, and so are networks of such addresses.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED: u8 = 96;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED)) {
        (address @ IpAddr::V4(_), Some(prefix)) if network.addr().is_ipv6() => {
            IpNet::new(address, prefix).unwrap_or(network)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(networks: &[&str], address: &str) -> bool {
        let proxies: TrustedProxies = networks.iter().map(|word| word.parse::<Network>().unwrap()).collect();
        proxies.contain(address)
    }

    #[test]
    fn addresses_and_networks() {
        assert!(trusted(&["127.0.0.1"], "127.0.0.1") && !trusted(&["127.0.0.1"], "127.0.0.2"));
        assert!(trusted(&["10.1.0.0/16"], "10.1.255.255") && !trusted(&["10.1.0.0/16"], "10.2.0.0"));
        assert!(trusted(&["fd00::/8", "::1"], "::1") && trusted(&["fd00::/8"], "fdff::1"));
        assert!(!trusted(&["fd00::/8"], "10.0.0.1") && !trusted(&["10.0.0.0/8"], "::1"));
        assert!(!trusted(&[], "127.0.0.1"));
    }

    #[test]
    fn a_mapped_address_is_the_one_it_maps_to() {
        assert!(trusted(&["10.0.0.0/8"], "::ffff:10.1.1.1"));
    }

    /// Found by fuzzing: it was taken, and nobody was in it.
    #[test]
    fn a_mapped_network_is_the_one_it_maps_to() {
        for word in ["::ffff:10.1.1.1", "::ffff:10.1.0.0/112", "::ffff:a01:101/128"] {
            assert!(trusted(&[word], "10.1.1.1") && trusted(&[word], "::ffff:10.1.1.1"), "{word}");
            assert!(!trusted(&[word], "10.2.1.1"), "{word}");
        }
    }

    /// Found by fuzzing: `010` is 8 to C's inet_aton, was 10 to us in a network, and no number in a single address.
    #[test]
    fn a_network_is_written_in_one_way() {
        for word in [
            "010.0.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "::ffff:010.0.0.0/104",
            "10.0.0.0/ 8",
            "10.0.0.0/8/8",
        ] {
            assert!(word.parse::<Network>().is_err(), "{word}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_trusted() {
        for address in ["", "localhost", "10.0.0.1:80", "fe80::1%eth0", "/run/proxy.sock"] {
            assert!(!trusted(&["10.0.0.0/8", "fe80::/10"], address), "{address}");
        }
    }

    #[test]
    fn a_network_with_a_hosts_bits_is_a_slip() {
        for (word, network) in
            [("10.1.2.3/16", "10.1.0.0/16"), ("fd00::1/8", "fd00::/8"), ("10.0.0.1/0", "0.0.0.0/0")]
        {
            let problem = word.parse::<Network>().unwrap_err().to_string();
            assert!(problem.contains(network), "{word}: {problem}");
        }
    }

    #[test]
    fn everybody_is_not_a_proxy() {
        for word in [
            "0.0.0.0/0",
            "128.0.0.0/1",
            "8.0.0.0/7",
            "::/0",
            "::ffff:0.0.0.0/96",
            "::ffff:0.0.0.0/97",
            "2000::/3",
            "2002::/16",
            "8000::/1",
        ] {
            assert_eq!(word.parse::<Network>(), Err(NoNetwork::Everybody));
        }
    }
}
