//! Which addresses may be called: public ones, and those that the operator named.
//!
//! The tables follow the IANA special-purpose address registries (RFC 6890 and its updates).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use automate_core::config::AllowRule;

/// Addresses from which cloud machines read their credentials. A broad rule does not open them.
const METADATA: &[IpAddr] = &[
    // AWS, Azure, Google Cloud and most others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS: containers, pods.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Alibaba Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's wire server.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle Cloud, first generation.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS over IPv6: machines, pods.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google Cloud over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Special IPv4 networks: first address, prefix, what it is.
const SPECIAL_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network (0.0.0.0/8)"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private (10.0.0.0/8)"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT (100.64.0.0/10)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback (127.0.0.0/8)"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local (169.254.0.0/16)"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private (172.16.0.0/12)"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments (192.0.0.0/24)"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation (192.0.2.0/24)"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relays (192.88.99.0/24)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private (192.168.0.0/16)"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking (198.18.0.0/15)"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation (198.51.100.0/24)"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation (203.0.113.0/24)"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast (224.0.0.0/4)"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved (240.0.0.0/4)"),
];

/// Special IPv6 networks. What lies outside 2000::/3 is refused as a whole; the first rows only
/// give it better names.
const SPECIAL_V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified (::)"),
    (Ipv6Addr::LOCALHOST, 128, "loopback (::1)"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96, "IPv4-compatible (::/96)"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "IPv4-mapped (::ffff:0:0/96)"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "IPv4-translated (::ffff:0:0:0/96)"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "NAT64 (64:ff9b::/96)"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local NAT64 (64:ff9b:1::/48)"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique local (fc00::/7)"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local (fe80::/10)"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local (fec0::/10)"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast (ff00::/8)"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignments, Teredo among them (2001::/23)"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation (2001:db8::/32)"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4 (2002::/16)"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation (3fff::/20)"),
];

/// Ports of services that speak no HTTP and can be talked into something by it: mail, shells,
/// directories, databases, caches, container engines. The WHATWG list of bad ports is the model.
const CLOSED_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530,
    531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049,
    2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5433, 6000, 6379, 6380, 6443, 6566, 6665,
    6666, 6667, 6668, 6669, 6679, 6697, 9042, 10080, 10250, 11211, 27017, 27018,
];

/// A refused address, and what an operator can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Denied {
    /// The address as it was asked for.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Which rule refused it.
    pub rule: DeniedBy,
}

/// The rule that refused an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBy {
    /// A cloud provider's metadata service.
    Metadata,
    /// A special network, by name.
    Network(&'static str),
    /// A port of a service that is not HTTP.
    Port,
    /// A service of this installation itself.
    Own,
}

impl Denied {
    fn describe(&self) -> String {
        let at = SocketAddr::new(self.address, self.port);
        match self.rule {
            DeniedBy::Metadata => format!(
                "{} is a cloud metadata service; only a rule for exactly this address in `egress.allow` opens it",
                self.address
            ),
            DeniedBy::Network(network) => {
                format!("{} is not public: {network}; an operator can allow it in `egress.allow`", self.address)
            }
            DeniedBy::Port => {
                format!(
                    "port {} is closed to outgoing calls; only a rule for `{at}` in `egress.allow` opens it",
                    self.port
                )
            }
            DeniedBy::Own => format!("{at} belongs to this installation itself"),
        }
    }
}

/// Decides about addresses. Pure: it resolves nothing.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allow: Vec<AllowRule>,
    own: Vec<SocketAddr>,
}

impl AddressPolicy {
    /// Public addresses, and what these rules name.
    #[must_use]
    pub const fn new(allow: Vec<AllowRule>) -> Self {
        Self { allow, own: Vec::new() }
    }

    /// The same, without the installation's own listeners and databases, whatever the rules say.
    #[must_use]
    pub fn deny_own(mut self, endpoints: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.own.extend(endpoints.into_iter().map(|e| SocketAddr::new(e.ip().to_canonical(), e.port())));
        self
    }

    /// Whether an address and port may be called.
    ///
    /// # Errors
    /// [`Denied`] with the rule that refused it.
    pub fn check(&self, address: IpAddr, port: u16) -> Result<(), Denied> {
        let refuse = |rule| Err(Denied { address, port, rule });
        // `::ffff:a.b.c.d` reaches the same host as a.b.c.d, so rules for the latter cover it.
        let canonical = address.to_canonical();
        if self.own.contains(&SocketAddr::new(canonical, port)) {
            return refuse(DeniedBy::Own);
        }
        let rules = || self.allow.iter().filter(|rule| rule.covers(canonical, port));
        let inner = embedded_v4(address).map(IpAddr::V4);
        let is_metadata = METADATA.contains(&canonical) || inner.is_some_and(|v4| METADATA.contains(&v4));
        if is_metadata && !rules().any(AllowRule::is_exact) {
            return refuse(DeniedBy::Metadata);
        }
        if CLOSED_PORTS.contains(&port) && !rules().any(|rule| rule.port() == Some(port)) {
            return refuse(DeniedBy::Port);
        }
        if rules().next().is_none() {
            // The form as it was asked for decides: a mapped public address is a disguise.
            if let Some(network) = special_network(address) {
                return refuse(DeniedBy::Network(network));
            }
            return Ok(());
        }
        // A rule for a translating network does not open what lies behind the translation.
        match inner {
            Some(v4) if v4 != canonical => {
                self.check(v4, port).map_err(|denied| Denied { address, port, rule: denied.rule })
            }
            _ => Ok(()),
        }
    }

    /// Whether every address of a name may be called.
    ///
    /// # Errors
    /// [`Denied`] for the first that may not: one bad address condemns the name (O5).
    pub fn check_all(&self, addresses: &[IpAddr], port: u16) -> Result<(), Denied> {
        addresses.iter().try_for_each(|address| self.check(*address, port))
    }

    /// Whether a name is that of a metadata service that no exact rule opens.
    pub(super) fn is_closed_name(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_metadata = matches!(
            host.as_str(),
            "metadata" | "metadata.google.internal" | "metadata.goog" | "metadata.azure.internal" | "instance-data"
        ) || host.ends_with(".metadata.google.internal");
        is_metadata && !self.allow.iter().any(|rule| rule.is_exact() && METADATA.iter().any(|m| rule.contains(*m)))
    }
}

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Network(_) => "network",
            Self::Port => "port",
            Self::Own => "own",
        })
    }
}

fn special_network(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => SPECIAL_V4
            .iter()
            .find(|(first, prefix, _)| (v4.to_bits() ^ first.to_bits()) >> (32 - prefix) == 0)
            .map(|(_, _, name)| *name),
        IpAddr::V6(v6) => SPECIAL_V6
            .iter()
            .find(|(first, prefix, _)| (v6.to_bits() ^ first.to_bits()) >> (128 - prefix) == 0)
            .map(|(_, _, name)| *name)
            // Global unicast is 2000::/3 (RFC 4291, section 2.4); the rest is unassigned.
            .or_else(|| (v6.to_bits() >> 125 != 1).then_some("not global unicast (outside 2000::/3)")),
    }
}

/// The IPv4 address inside an IPv6 form that leads to it: mapped (RFC 4291, 2.5.5.2), compatible
/// (2.5.5.1), translated (RFC 7915), NAT64 (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214).
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    if v6.is_loopback() || v6.is_unspecified() {
        return None;
    }
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff | 0] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => of(g, h),
        [0x2002, high, low, ..] => of(high, low),
        [_, _, _, _, 0 | 0x200, 0x5efe] => of(g, h),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[&str]) -> AddressPolicy {
        AddressPolicy::new(rules.iter().map(|r| r.parse().unwrap()).collect())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn open(policy: &AddressPolicy, text: &str) -> bool {
        policy.check(ip(text), 443).is_ok()
    }

    #[test]
    fn public_addresses_are_open() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert_eq!(policy(&[]).check(ip(address), 443), Ok(()), "{address}");
        }
    }

    #[test]
    fn o2_disguised_loopback_is_denied_after_canonicalisation() {
        for address in [
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "::ffff:0:127.0.0.1",
            "2001:0:7f00:1::",
            "fe80::5efe:7f00:1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(!open(&policy(&[]), address), "{address}");
        }
    }

    #[test]
    fn o3_special_networks_are_denied_unless_allowed() {
        for (address, rule) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("172.31.255.255", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.0.0/16"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("100.127.255.255", "100.64.0.0/10"),
            ("169.254.1.1", "169.254.0.0/16"),
            ("198.18.0.1", "198.18.0.0/15"),
            ("198.19.255.255", "198.18.0.0/15"),
            ("224.0.0.1", "224.0.0.0/4"),
            ("240.0.0.1", "240.0.0.0/4"),
            ("255.255.255.255", "255.255.255.255"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("203.0.113.9", "203.0.113.0/24"),
            ("127.9.9.9", "127.0.0.0/8"),
            ("fc00::1", "fc00::/7"),
            ("fdff::1", "fc00::/7"),
            ("fe80::1", "fe80::/10"),
            ("fec0::1", "fec0::/10"),
            ("ff02::1", "ff00::/8"),
            ("2001:db8::1", "2001:db8::/32"),
            ("3fff::1", "3fff::/20"),
            ("4000::1", "4000::/3"),
            ("2001::1", "2001::/23"),
            ("::1", "::1/128"),
            ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ] {
            assert!(!open(&policy(&[]), address), "{address}");
            assert_eq!(policy(&[rule]).check(ip(address), 443), Ok(()), "{address} under {rule}");
            let other = format!(
                "{}:8443",
                rule.parse::<AllowRule>()
                    .map(|r| {
                        let text = r.to_string();
                        if text.contains(':') { format!("[{text}]") } else { text }
                    })
                    .unwrap()
            );
            assert!(!open(&policy(&[&other]), address), "{address} on 443 under {other}");
            assert!(policy(&[&other]).check(ip(address), 8443).is_ok(), "{address} on 8443 under {other}");
        }
    }

    #[test]
    fn o4_metadata_services_are_denied_even_under_a_broad_rule() {
        let broad = policy(&["0.0.0.0/0", "::/0", "169.254.0.0/16", "168.63.129.16/31"]);
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
        ] {
            assert_eq!(broad.check(ip(address), 80).map_err(|d| d.rule), Err(DeniedBy::Metadata), "{address}");
        }
        assert!(policy(&["169.254.169.254"]).check(ip("169.254.169.254"), 80).is_ok());
        assert!(policy(&["169.254.169.254:80"]).check(ip("169.254.169.254"), 81).is_err());
        for name in ["metadata.google.internal", "METADATA.google.internal.", "metadata", "x.metadata.google.internal"]
        {
            assert!(broad.is_closed_name(name), "{name}");
        }
        assert!(!broad.is_closed_name("metadata.example.com"));
        assert!(!policy(&["169.254.169.254"]).is_closed_name("metadata.google.internal"));
    }

    #[test]
    fn o2_a_rule_for_a_translating_network_does_not_open_what_lies_behind() {
        let nat64 = policy(&["64:ff9b::/96", "2002::/16"]);
        assert!(open(&nat64, "64:ff9b::808:808"));
        assert!(open(&nat64, "2002:808:808::1"));
        for hidden in ["64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:c0a8:1::"] {
            assert!(!open(&nat64, hidden), "{hidden}");
        }
        assert!(open(&policy(&["64:ff9b::/96", "10.0.0.0/8"]), "64:ff9b::a00:1"));
    }

    #[test]
    fn o5_one_private_address_condemns_the_name() {
        let mixed = [ip("8.8.8.8"), ip("10.0.0.1")];
        assert_eq!(policy(&[]).check_all(&mixed, 443).map_err(|d| d.address), Err(ip("10.0.0.1")));
        assert!(policy(&["10.0.0.1"]).check_all(&mixed, 443).is_ok());
    }

    #[test]
    fn o11_own_endpoints_and_ports_of_other_services_are_denied() {
        let own = policy(&["0.0.0.0/0"]).deny_own(["1.2.3.4:8000".parse().unwrap()]);
        assert_eq!(own.check(ip("1.2.3.4"), 8000).map_err(|d| d.rule), Err(DeniedBy::Own));
        assert_eq!(own.check(ip("::ffff:1.2.3.4"), 8000).map_err(|d| d.rule), Err(DeniedBy::Own));
        assert!(own.check(ip("1.2.3.4"), 8001).is_ok());
        for port in [22, 25, 5432, 6379] {
            assert_eq!(own.check(ip("8.8.8.8"), port).map_err(|d| d.rule), Err(DeniedBy::Port), "{port}");
            let named = policy(&[&format!("8.8.8.8:{port}")]);
            assert!(named.check(ip("8.8.8.8"), port).is_ok(), "{port}");
        }
        assert!(CLOSED_PORTS.is_sorted());
    }

    #[test]
    fn a_refusal_says_what_an_operator_can_do() {
        let denied = policy(&[]).check(ip("10.0.0.1"), 80).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "10.0.0.1 is not public: private (10.0.0.0/8); an operator can allow it in `egress.allow`"
        );
    }
}
