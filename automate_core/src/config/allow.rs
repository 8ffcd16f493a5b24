//! Rules of `egress.allow`: a network in CIDR notation (RFC 4632, RFC 4291), with an optional port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One rule: `10.0.0.0/8`, `192.168.1.5`, `192.168.1.5:8080`, `10.0.0.0/8:443`, `fd00::/8`,
/// `[fd00::/8]:8443`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AllowRule {
    network: IpAddr,
    prefix: u8,
    port: Option<u16>,
}

/// Why a rule is refused; says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowRuleError {
    /// Not a network at all.
    #[error(
        "`{0}` is not a network: expected an address or CIDR with an optional port, such as `10.0.0.0/8`, `192.168.1.5:8080` or `[fd00::/8]:443`"
    )]
    Malformed(String),
    /// Bits are set past the prefix, which is most often a slip.
    #[error("`{given}` has bits set past its prefix; did you mean `{meant}`?")]
    HostBits {
        /// As given.
        given: String,
        /// The network that it is in.
        meant: String,
    },
}

impl AllowRule {
    /// Whether the rule covers an address and port.
    #[must_use]
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        self.contains(address) && self.port.is_none_or(|own| own == port)
    }

    /// Whether the rule's network holds an address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                mask(address, self.prefix) == self.network
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The port that it is for; all of them where absent.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether it names one address alone.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.prefix == width(self.network)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & bits))
        }
        IpAddr::V6(a) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & bits))
        }
    }
}

impl FromStr for AllowRule {
    type Err = AllowRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || AllowRuleError::Malformed(text.to_owned());
        let trimmed = text.trim();
        let (network, port) = if let Some(rest) = trimmed.strip_prefix('[') {
            let (network, after) = rest.split_once(']').ok_or_else(malformed)?;
            match after {
                "" => (network, None),
                _ => (network, Some(after.strip_prefix(':').ok_or_else(malformed)?)),
            }
        } else if trimmed.matches(':').count() == 1 {
            let (network, port) = trimmed.split_once(':').ok_or_else(malformed)?;
            (network, Some(port))
        } else {
            (trimmed, None)
        };
        let port = match port {
            None => None,
            Some(p) => Some(p.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(malformed)?),
        };
        let (address, prefix) = match network.split_once('/') {
            None => (network, None),
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| malformed())?)),
        };
        let address: IpAddr = address.parse().map_err(|_| malformed())?;
        let prefix = prefix.unwrap_or(width(address));
        if prefix > width(address) {
            return Err(malformed());
        }
        let network = mask(address, prefix);
        let rule = Self { network, prefix, port };
        if network != address {
            return Err(AllowRuleError::HostBits { given: text.to_owned(), meant: rule.to_string() });
        }
        Ok(rule)
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (network, None) => write!(f, "{network}/{}", self.prefix),
            (IpAddr::V4(network), Some(port)) => write!(f, "{network}/{}:{port}", self.prefix),
            (IpAddr::V6(network), Some(port)) => write!(f, "[{network}/{}]:{port}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> AllowRule {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_covers_its_network_and_port_only() {
        assert!(rule("10.0.0.0/8").covers("10.1.2.3".parse().unwrap(), 80));
        assert!(!rule("10.0.0.0/8").contains("11.0.0.0".parse().unwrap()));
        assert!(rule("127.0.0.1:8080").covers("127.0.0.1".parse().unwrap(), 8080));
        assert!(!rule("127.0.0.1:8080").covers("127.0.0.1".parse().unwrap(), 8081));
        assert!(rule("[fd00::/8]:443").covers("fd12::1".parse().unwrap(), 443));
        assert!(rule("0.0.0.0/0").contains("255.255.255.255".parse().unwrap()));
        assert!(rule("::/0").contains("ffff::".parse().unwrap()));
        assert!(!rule("::/0").contains("1.2.3.4".parse().unwrap()));
        assert!(rule("::1").is_exact() && !rule("::/64").is_exact());
    }

    #[test]
    fn a_rule_prints_as_it_is_read() {
        for text in ["10.0.0.0/8", "192.168.1.5/32:8080", "fd00::/8", "[fd00::/8]:8443"] {
            assert_eq!(rule(text).to_string(), text);
        }
    }

    #[test]
    fn bad_rules_are_refused_with_what_was_meant() {
        assert_eq!(
            "10.0.0.5/8".parse::<AllowRule>(),
            Err(AllowRuleError::HostBits { given: "10.0.0.5/8".into(), meant: "10.0.0.0/8".into() })
        );
        for bad in
            ["", "localhost", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8:0", "10.0.0.0:99999", "[::1", "[::1]x", "::/129"]
        {
            assert!(bad.parse::<AllowRule>().is_err(), "{bad}");
        }
    }
}
