//! Numbers by place, of which many that stand together are equal.

use std::fmt;

/// Numbers by place, from 0, as runs of equal ones: how many, and which. What was never set is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<(usize, u32)>);

impl Runs {
    /// The number at a place.
    pub(super) fn get(&self, place: usize) -> u32 {
        let mut end = 0;
        let run = self.0.iter().find(|(count, _)| {
            end += count;
            place < end
        });
        run.map_or(0, |(_, number)| *number)
    }

    /// Puts a number to a place.
    pub(super) fn set(&mut self, place: usize, number: u32) {
        let mut begin = 0;
        let mut at = 0;
        while at < self.0.len() && begin + self.0[at].0 <= place {
            begin += self.0[at].0;
            at += 1;
        }
        let Some((count, same)) = self.0.get(at).copied() else {
            self.push(place - begin, 0);
            self.push(1, number);
            return;
        };
        if same == number {
            return;
        }
        let tail = self.0.split_off(at);
        self.push(place - begin, same);
        self.push(1, number);
        self.push(begin + count - place - 1, same);
        // What comes behind was in runs already; only its first may belong to the last one here.
        let mut rest = tail.into_iter().skip(1);
        if let Some((count, number)) = rest.next() {
            self.push(count, number);
        }
        self.0.extend(rest);
    }

    /// Adds as many of a number behind the others.
    pub(super) fn push(&mut self, count: usize, number: u32) {
        match self.0.last_mut() {
            _ if count == 0 => {}
            Some((before, same)) if *same == number => *before += count,
            _ => self.0.push((count, number)),
        }
    }

    /// Places up to the last one.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(count, _)| count).sum()
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (count, number)) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("_")?;
            }
            write!(f, "{count}x{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_a_list_would_be() {
        let mut list = [0_u32; 12];
        let mut runs = Runs::default();
        // Every place in an order that splits and joins runs, over and over.
        for n in 0..600_usize {
            let (place, number) = ((n * 7) % 12, u32::try_from((n / 5) % 3).unwrap());
            list[place] = number;
            runs.set(place, number);
            assert!((0..20).all(|place| runs.get(place) == list.get(place).copied().unwrap_or(0)), "{n}: {runs}");
            assert!(runs.0.windows(2).all(|pair| pair[0].1 != pair[1].1), "{n}: {runs} is not as short as it can be");
        }
    }
}
