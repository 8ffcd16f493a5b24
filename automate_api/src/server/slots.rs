//! How many connections are open, over all and per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use automate_core::limits;

#[derive(Clone, Default)]
pub(super) struct Slots {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to a connection; given back when dropped.
pub(super) struct Slot {
    slots: Slots,
    address: IpAddr,
}

impl Slots {
    /// A slot for a connection of that address, or the name of the bound that was reached.
    pub(super) fn take(&self, address: IpAddr) -> Result<Slot, &'static str> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= limits::CONNECTIONS {
            return Err("total");
        }
        let of_address = open.by_address.entry(address).or_default();
        if *of_address >= limits::CONNECTIONS_PER_ADDRESS {
            return Err("address");
        }
        *of_address += 1;
        open.total += 1;
        metrics::gauge!("automate_http_connections").increment(1);
        Ok(Slot { slots: self.clone(), address })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
        metrics::gauge!("automate_http_connections").decrement(1);
    }
}

/// An IPv6 host commonly has a /64 to itself, so that is what is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections() {
        let slots = Slots::default();
        let greedy: IpAddr = "2001:db8::1".parse().unwrap();
        let same_network: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let mut held: Vec<Slot> = (0..limits::CONNECTIONS_PER_ADDRESS)
            .map(|_| slots.take(greedy).unwrap_or_else(|r| panic!("{r}")))
            .collect();
        assert_eq!(slots.take(same_network).err(), Some("address"));
        assert!(slots.take(other).is_ok());
        held.pop();
        assert!(slots.take(same_network).is_ok());
        drop(held);
        assert!(slots.open.lock().unwrap().by_address.is_empty());
    }
}
