//! What was used least recently goes first.
//!
//! ```text
//!   places   key --> place in the slab
//!   slab     newest <--> ... <--> ... <--> oldest      linked by places, so no step is a search
//! ```

use slab::Slab;
use std::collections::HashMap;
use std::hash::Hash;

/// How many values that may not go are passed over when room is made. They come to the front, so
/// that whoever asks next looks at others.
const LOOKS: usize = 64;

/// Values by their keys, of a bounded weight together.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    nodes: Slab<Node<K, V>>,
    places: HashMap<K, usize>,
    newest: Option<usize>,
    oldest: Option<usize>,
    weight: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    weight: usize,
    newer: Option<usize>,
    older: Option<usize>,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        let (nodes, places) = (Slab::new(), HashMap::new());
        Self { nodes, places, newest: None, oldest: None, weight: 0, capacity }
    }

    /// What all values weigh.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The value of `key`, which is the newest from now on.
    pub(super) fn get(&mut self, key: K) -> Option<&V> {
        let place = *self.places.get(&key)?;
        self.refresh(place);
        self.nodes.get(place).map(|node| &node.value)
    }

    /// Takes the value of `key` out.
    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.places.remove(&key)?;
        self.unlink(place);
        let node = self.nodes.try_remove(place)?;
        self.weight -= node.weight;
        Some(node.value)
    }

    /// Takes the oldest values out that `may_go`, until there is room for `weight` more; true when
    /// there is. What was taken out goes to `out`: dropping it may take long.
    pub(super) fn make_room(
        &mut self,
        weight: usize,
        may_go: impl Fn(&V) -> bool,
        out: &mut Vec<V>,
    ) -> bool {
        let mut looks = 0;
        while self.weight.saturating_add(weight) > self.capacity {
            let Some(place) = self.oldest.filter(|_| looks < LOOKS) else { return false };
            let Some(node) = self.nodes.get(place) else { return false };
            if may_go(&node.value) {
                let key = node.key;
                out.extend(self.remove(key));
            } else {
                looks += 1;
                self.refresh(place);
            }
        }
        true
    }

    /// Puts a value in, for which room was made, in place of an older one of its key.
    pub(super) fn insert(&mut self, key: K, value: V, weight: usize) -> Option<V> {
        let before = self.remove(key);
        let node = Node { key, value, weight, newer: None, older: None };
        let place = self.nodes.insert(node);
        self.places.insert(key, place);
        self.weight += weight;
        self.link(place);
        before
    }

    fn refresh(&mut self, place: usize) {
        if self.newest != Some(place) {
            self.unlink(place);
            self.link(place);
        }
    }

    /// Makes a node that is in no list the newest.
    fn link(&mut self, place: usize) {
        let before = self.newest.replace(place);
        if let Some(node) = self.nodes.get_mut(place) {
            (node.newer, node.older) = (None, before);
        }
        match before.and_then(|before| self.nodes.get_mut(before)) {
            Some(node) => node.newer = Some(place),
            None => self.oldest = Some(place),
        }
    }

    fn unlink(&mut self, place: usize) {
        let Some(node) = self.nodes.get(place) else { return };
        let (newer, older) = (node.newer, node.older);
        match newer.and_then(|newer| self.nodes.get_mut(newer)) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.nodes.get_mut(older)) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The same with a list, the oldest in front.
    #[derive(Default)]
    struct Naive(Vec<(u8, u32, usize)>);

    impl Naive {
        fn weight(&self) -> usize {
            self.0.iter().map(|entry| entry.2).sum()
        }

        fn get(&mut self, key: u8) -> Option<u32> {
            let at = self.0.iter().position(|entry| entry.0 == key)?;
            let entry = self.0.remove(at);
            self.0.push(entry);
            Some(entry.1)
        }

        fn make_room(&mut self, weight: usize, capacity: usize, held: &HashSet<u32>) -> bool {
            let mut looks = 0;
            while self.weight() + weight > capacity {
                if self.0.is_empty() || looks == LOOKS {
                    return false;
                }
                let entry = self.0.remove(0);
                if held.contains(&entry.1) {
                    looks += 1;
                    self.0.push(entry);
                }
            }
            true
        }

        fn insert(&mut self, key: u8, value: u32, weight: usize) {
            self.0.retain(|entry| entry.0 != key);
            self.0.push((key, value, weight));
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Get(u8),
        Put(u8, usize),
        Remove(u8),
        Hold(u8),
        Release,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..20_u8).prop_map(Act::Get),
            4 => (0..20_u8, 1..4_usize).prop_map(|(key, weight)| Act::Put(key, weight)),
            1 => (0..20_u8).prop_map(Act::Remove),
            1 => (0..20_u8).prop_map(Act::Hold),
            1 => Just(Act::Release),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_does_what_a_list_does(acts in prop::collection::vec(act(), 0..200)) {
            const CAPACITY: usize = 12;
            let mut lru = Lru::new(CAPACITY);
            let (mut naive, mut held) = (Naive::default(), HashSet::new());
            for (value, act) in (0_u32..).zip(acts) {
                match act {
                    Act::Get(key) => prop_assert_eq!(lru.get(key).copied(), naive.get(key)),
                    Act::Put(key, weight) => {
                        let has_room = lru.make_room(weight, |v| !held.contains(v), &mut vec![]);
                        prop_assert_eq!(has_room, naive.make_room(weight, CAPACITY, &held));
                        if has_room {
                            lru.insert(key, value, weight);
                            naive.insert(key, value, weight);
                        }
                    }
                    Act::Remove(key) => {
                        let removed = lru.remove(key);
                        prop_assert_eq!(removed, naive.get(key));
                        naive.0.retain(|entry| entry.0 != key);
                    }
                    Act::Hold(key) => held.extend(naive.0.iter().find(|e| e.0 == key).map(|e| e.1)),
                    Act::Release => held.clear(),
                }
                prop_assert_eq!(lru.weight(), naive.weight());
                prop_assert!(lru.weight() <= CAPACITY);
                prop_assert_eq!(lru.nodes.len(), naive.0.len());
            }
        }
    }

    #[test]
    fn a_crowd_that_may_not_go_costs_a_bounded_look() {
        let mut lru = Lru::new(1000);
        for key in 0..1000_u32 {
            lru.insert(key, key, 1);
        }
        let looked = std::cell::Cell::new(0);
        let may_go = |value: &u32| {
            looked.set(looked.get() + 1);
            *value == 100
        };
        assert!(!lru.make_room(1, may_go, &mut vec![]));
        assert_eq!(looked.get(), LOOKS);
        // Those that were in the way are out of it: the next look comes further.
        let mut out = Vec::new();
        assert!(lru.make_room(1, may_go, &mut out));
        assert_eq!((out, lru.weight()), (vec![100], 999));
    }
}
