//! Which steps wait for which: the order of a block, and the cycles that make it none.

use std::collections::HashMap;

use super::definition::Step;

/// For each step of a block, the indices of the steps of the same block that it waits for: those
/// in its `needs`, or the step before it. Ascending, without repetition; a name in `needs` that no
/// step of the block has is left out.
#[must_use]
pub fn waits_for(block: &[Step]) -> Vec<Vec<usize>> {
    let mut index: HashMap<&str, usize> = HashMap::with_capacity(block.len());
    for (i, step) in block.iter().enumerate() {
        index.entry(step.id.as_str()).or_insert(i);
    }
    block
        .iter()
        .enumerate()
        .map(|(i, step)| match &step.needs {
            None => i.checked_sub(1).into_iter().collect(),
            Some(needs) => {
                let mut waits: Vec<usize> = needs.iter().filter_map(|id| index.get(id.as_str()).copied()).collect();
                waits.sort_unstable();
                waits.dedup();
                waits
            }
        })
        .collect()
}

/// The steps of a block in an order in which each comes after all that it waits for; steps that
/// are ready at the same time keep their order. Steps on a cycle, and those behind one, are missing.
#[must_use]
pub fn sorted(waits_for: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = waits_for.iter().map(Vec::len).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); waits_for.len()];
    for (step, waits) in waits_for.iter().enumerate() {
        for &before in waits {
            followers[before].push(step);
        }
    }
    let mut order: Vec<usize> = (0..open.len()).filter(|&i| open[i] == 0).collect();
    let mut next = 0;
    while let Some(&step) = order.get(next) {
        next += 1;
        for &follower in &followers[step] {
            open[follower] -= 1;
            if open[follower] == 0 {
                order.push(follower);
            }
        }
    }
    order
}

/// The cycles of a block, each as indices where every step waits for the next one and the last for the
/// first. Every knot of steps that wait for each other gives at least one cycle; the work is linear.
#[must_use]
pub fn cycles(waits_for: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut stuck = vec![true; waits_for.len()];
    for step in sorted(waits_for) {
        stuck[step] = false;
    }
    // Every stuck step waits for another stuck one, so following those ends on a cycle.
    let mut seen_in_walk: Vec<Option<usize>> = vec![None; waits_for.len()];
    let mut found = Vec::new();
    for start in 0..waits_for.len() {
        if !stuck[start] || seen_in_walk[start].is_some() {
            continue;
        }
        let mut walk = Vec::new();
        let mut at = start;
        while seen_in_walk[at].is_none() {
            seen_in_walk[at] = Some(start);
            walk.push(at);
            match waits_for[at].iter().copied().find(|&w| stuck[w]) {
                Some(next) => at = next,
                None => break,
            }
        }
        if seen_in_walk[at] == Some(start)
            && let Some(from) = walk.iter().position(|&step| step == at)
        {
            let mut cycle = walk.split_off(from);
            let first = cycle.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(i, _)| i);
            cycle.rotate_left(first);
            found.push(cycle);
        }
    }
    found
}

/// For each step of a block, whether another one has certainly ended before it starts.
#[derive(Debug)]
pub struct Before {
    words: usize,
    bits: Vec<u64>,
}

impl Before {
    /// Follows what each step waits for. Takes memory in the square of the block's length, in bits.
    #[must_use]
    pub fn of(waits_for: &[Vec<usize>]) -> Self {
        let words = waits_for.len().div_ceil(64);
        let mut bits = vec![0_u64; words * waits_for.len()];
        for step in sorted(waits_for) {
            let mut row = vec![0_u64; words];
            for &before in &waits_for[step] {
                for (own, its) in row.iter_mut().zip(&bits[before * words..(before + 1) * words]) {
                    *own |= its;
                }
                row[before / 64] |= 1 << (before % 64);
            }
            bits[step * words..(step + 1) * words].copy_from_slice(&row);
        }
        Self { words, bits }
    }

    /// Whether `earlier` has ended, in whatever way, when `step` starts.
    #[must_use]
    pub fn has_ended(&self, earlier: usize, step: usize) -> bool {
        self.bits.get(step * self.words + earlier / 64).is_some_and(|word| word & (1 << (earlier % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diamond_is_sorted_and_has_no_cycle() {
        let diamond = vec![vec![], vec![0], vec![0], vec![1, 2]];
        assert_eq!(sorted(&diamond), [0, 1, 2, 3]);
        assert!(cycles(&diamond).is_empty());
        let before = Before::of(&diamond);
        assert!(before.has_ended(0, 3) && before.has_ended(2, 3) && before.has_ended(0, 1));
        assert!(!before.has_ended(1, 2) && !before.has_ended(3, 0) && !before.has_ended(1, 1));
    }

    #[test]
    fn f1_every_knot_gives_its_cycle() {
        assert_eq!(cycles(&[vec![0]]), [vec![0]]);
        assert_eq!(cycles(&[vec![1], vec![0]]), [vec![0, 1]]);
        // Two knots, and a step behind one of them that is on no cycle itself.
        let knots = vec![vec![], vec![2], vec![1], vec![2], vec![5], vec![6], vec![4]];
        assert_eq!(cycles(&knots), [vec![1, 2], vec![4, 5, 6]]);
    }

    #[test]
    fn a_chain_of_five_thousand_is_no_effort() {
        let chain: Vec<Vec<usize>> = (0..5_000_usize).map(|i| i.checked_sub(1).into_iter().collect()).collect();
        assert_eq!(sorted(&chain).len(), 5_000);
        assert!(Before::of(&chain).has_ended(0, 4_999));
    }
}
