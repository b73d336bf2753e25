//! How many connections there are: of the process, and of each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections, each from its accept to its end.
#[derive(Debug)]
pub struct Admissions {
    connections: usize,
    connections_per_address: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// What becomes of one more connection.
#[derive(Debug)]
pub enum Admitted {
    /// There is room.
    Yes(Admission),
    /// There is none, unless one goes for it.
    Full(Admission),
    /// Its address has as many as one may have.
    TooManyOfAddress,
}

impl Admissions {
    /// At most so many in all, and so many of one address.
    #[must_use]
    pub fn new(connections: usize, connections_per_address: usize) -> Arc<Self> {
        let present = Mutex::default();
        Arc::new(Self { connections, connections_per_address, present })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more connection of this address.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Admitted {
        let address = counted_as(address);
        let mut present = self.present();
        let of_address = present.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.connections_per_address {
            return Admitted::TooManyOfAddress;
        }
        present.by_address.insert(address, of_address + 1);
        present.all += 1;
        let is_full = present.all > self.connections;
        drop(present);
        let admission = Admission { address, of: Arc::clone(self) };
        if is_full { Admitted::Full(admission) } else { Admitted::Yes(admission) }
    }
}

/// An IPv6 host has all of a /64 to choose from, so that is one address.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Admission {
    address: IpAddr,
    of: Arc<Admissions>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut present = self.of.present();
        present.all = present.all.saturating_sub(1);
        if let Some(count) = present.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                present.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(admissions: &Arc<Admissions>, address: &str) -> (char, Option<Admission>) {
        match admissions.admit(address.parse().unwrap()) {
            Admitted::Yes(admission) => ('y', Some(admission)),
            Admitted::Full(admission) => ('f', Some(admission)),
            Admitted::TooManyOfAddress => ('n', None),
        }
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let admissions = Admissions::new(4, 2);
        let asked = ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", "1::1", "1::2", "1::3", "2::"];
        let mut all: Vec<_> = asked.iter().map(|address| of(&admissions, address)).collect();
        let answers: String = all.iter().map(|(answer, _)| answer).collect();
        assert_eq!(answers, "yynyynf");
        all.remove(0);
        assert_eq!(of(&admissions, "127.0.0.1").0, 'f');
        all.pop();
        assert_eq!(of(&admissions, "127.0.0.1").0, 'y');
        drop(all);
        let present = admissions.present();
        assert_eq!((present.all, present.by_address.len()), (0, 0));
    }
}
