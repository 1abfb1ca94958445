//! Squares pushed apart until none hides another.

use super::place::Bounds;
use super::room::Room;
use crate::canvas::floor;

/// Rounds of pushing; what is still wedged in then goes to the nearest free place.
const ROUNDS: usize = 600;
/// How much larger than they are the squares are taken for: what is pushed apart nearly is apart then.
const SLACK: f32 = 1.02;
/// How much of what is missing a round pushes; more than all of it, since neighbors push back.
const PUSH: f32 = 1.15;
/// By how much coinciding centers part, in sides.
const NUDGE: f32 = 0.05;

/// Moves centers, inside `bounds`, until squares of `side` around them do not overlap; each goes no farther than its
/// neighbors push it, so that the shape of the whole stays. Those that find no rest go to the nearest free place.
/// `false` if one of them has none nearby.
///
/// The order of images decides nothing but where coinciding ones go, and which of those without rest goes first.
pub(crate) fn spread(at: &mut [(f32, f32)], side: f32, bounds: Bounds) -> bool {
    push_apart(at, side, bounds) || fit_in(at, side, bounds)
}

/// Rounds of pushing; whether nothing overlaps any more. Each looks at every pair of squares that overlap and pushes
/// both the shorter way out, half each.
fn push_apart(at: &mut [(f32, f32)], side: f32, bounds: Bounds) -> bool {
    if at.len() < 2 {
        return true;
    }
    let wanted = side * SLACK;
    for _ in 0..ROUNDS {
        let buckets = Buckets::new(at, wanted);
        let mut pushes = vec![(0.0_f32, 0.0_f32); at.len()];
        let mut clear = true;
        for one in 0..at.len() {
            for other in buckets.near(at[one]) {
                if other <= one {
                    continue;
                }
                let (dx, dy) = (at[other].0 - at[one].0, at[other].1 - at[one].1);
                let (over_x, over_y) = (wanted - dx.abs(), wanted - dy.abs());
                if over_x <= 0.0 || over_y <= 0.0 {
                    continue;
                }
                clear &= dx.abs() >= side || dy.abs() >= side;
                let push = if dx == 0.0 && dy == 0.0 {
                    // Around the circle by the golden angle: no two of a pile go the same way.
                    let angle = other as f32 * 2.399_963;
                    (angle.cos() * wanted * NUDGE, angle.sin() * wanted * NUDGE)
                } else if over_x < over_y {
                    (dx.signum() * over_x * PUSH / 2.0, 0.0)
                } else {
                    (0.0, dy.signum() * over_y * PUSH / 2.0)
                };
                pushes[one] = (pushes[one].0 - push.0, pushes[one].1 - push.1);
                pushes[other] = (pushes[other].0 + push.0, pushes[other].1 + push.1);
            }
        }
        if clear {
            return true;
        }
        for (center, push) in at.iter_mut().zip(pushes) {
            // In a crowd the pushes add up to more than anyone should go.
            let most = wanted / 2.0;
            *center =
                bounds.clamp((center.0 + push.0.clamp(-most, most), center.1 + push.1.clamp(-most, most)));
        }
    }
    false
}

/// Leaves every square where it is that hides none before it, and puts the others, one after another, into the
/// nearest free place.
fn fit_in(at: &mut [(f32, f32)], side: f32, bounds: Bounds) -> bool {
    let mut room = Room::new(side, bounds);
    let wedged_in: Vec<usize> = (0..at.len()).filter(|&i| !room.take(at[i])).collect();
    wedged_in.into_iter().all(|i| {
        let place = room.nearest_free(at[i]);
        at[i] = place.unwrap_or(at[i]);
        place.is_some_and(|place| room.take(place))
    })
}

/// Centers by the square of side `side` they lie in.
struct Buckets {
    side: f32,
    left: i64,
    top: i64,
    columns: i64,
    rows: i64,
    /// Where each bucket begins in `members`.
    starts: Vec<usize>,
    members: Vec<usize>,
}

impl Buckets {
    fn new(at: &[(f32, f32)], side: f32) -> Self {
        let cell = |v: f32| floor(v / side);
        let (mut left, mut top, mut right, mut bottom) = (i64::MAX, i64::MAX, i64::MIN, i64::MIN);
        for &(x, y) in at {
            (left, right) = (left.min(cell(x)), right.max(cell(x)));
            (top, bottom) = (top.min(cell(y)), bottom.max(cell(y)));
        }
        let (columns, rows) = (right - left + 1, bottom - top + 1);
        let index = |v: i64| usize::try_from(v).expect("inside the bounds of all centers");
        let bucket = |&(x, y): &(f32, f32)| index((cell(y) - top) * columns + cell(x) - left);
        let mut starts = vec![0; index(columns * rows) + 1];
        for center in at {
            starts[bucket(center) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut members = vec![0; at.len()];
        for (i, center) in at.iter().enumerate() {
            let slot = &mut next[bucket(center)];
            members[*slot] = i;
            *slot += 1;
        }
        Self { side, left, top, columns, rows, starts, members }
    }

    /// Everything whose center is less than `side` away along both axes, and some more; in a fixed order.
    fn near(&self, center: (f32, f32)) -> impl Iterator<Item = usize> {
        let column = floor(center.0 / self.side) - self.left;
        let row = floor(center.1 / self.side) - self.top;
        let columns = (column - 1).max(0)..(column + 2).min(self.columns);
        ((row - 1).max(0)..(row + 2).min(self.rows)).flat_map(move |row| {
            let index = |column: i64| usize::try_from(row * self.columns + column).expect("a bucket");
            // The buckets of a row lie one after another.
            let (from, to) = (self.starts[index(columns.start)], self.starts[index(columns.end - 1) + 1]);
            self.members[from..to].iter().copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::shuffled;
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { left: 0.0, top: 0.0, width: 400.0, height: 300.0 };

    fn overlapping(at: &[(f32, f32)], side: f32) -> usize {
        let over = |a: (f32, f32), b: (f32, f32)| (a.0 - b.0).abs() < side && (a.1 - b.1).abs() < side;
        (0..at.len()).map(|i| (0..i).filter(|&j| over(at[i], at[j])).count()).sum()
    }

    #[test]
    fn squares_that_do_not_touch_stay_where_they_are() {
        let before = [(10.0, 10.0), (40.0, 10.0), (10.0, 40.0)];
        let mut at = before;
        assert!(spread(&mut at, 20.0, BOUNDS));
        assert_eq!(at, before);
    }

    #[test]
    fn a_pile_becomes_a_heap_without_overlap() {
        let mut at = vec![(200.0, 150.0); 200];
        assert!(spread(&mut at, 10.0, BOUNDS));
        assert_eq!(overlapping(&at, 10.0), 0);
        let farthest = at.iter().map(|c| (c.0 - 200.0).hypot(c.1 - 150.0)).fold(0.0, f32::max);
        assert!(farthest < 130.0, "{farthest}: 200 squares of 10 need a disc of radius 80 at least");
    }

    #[test]
    fn neighbors_stay_neighbors() {
        // A crowded lattice, three times too dense, with room around it.
        let mut at: Vec<(f32, f32)> = (0..144_u16)
            .map(|i| (150.0 + f32::from(i % 12) * 6.0, 100.0 + f32::from(i / 12) * 6.0))
            .collect();
        assert!(spread(&mut at, 10.0, BOUNDS));
        assert_eq!(overlapping(&at, 10.0), 0);
        let right_of = (0..144).filter(|i| i % 12 != 11 && at[*i].0 < at[i + 1].0).count();
        assert!(right_of * 5 >= 132 * 4, "{right_of} of 132 neighbors are still to the right");
    }

    #[test]
    fn without_room_it_says_so() {
        let mut at = vec![(1.0, 1.0); 10];
        assert!(!spread(&mut at, 10.0, Bounds { left: 0.0, top: 0.0, width: 20.0, height: 10.0 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_the_map_nothing_overlaps_and_nothing_leaves(n in 2_usize..250, seed in any::<u64>(), clumps in 1_usize..9) {
            let random = shuffled(2 * n, seed);
            let mut at: Vec<(f32, f32)> = random
                .chunks(2)
                .map(|c| {
                    let clump = (c[0] % clumps) as f32;
                    BOUNDS.clamp((clump * 45.0 + (c[0] % 60) as f32, clump * 30.0 + (c[1] % 50) as f32))
                })
                .collect();
            prop_assert!(spread(&mut at, 12.0, BOUNDS));
            prop_assert_eq!(overlapping(&at, 12.0), 0);
            for center in at {
                prop_assert_eq!(center, BOUNDS.clamp(center));
            }
        }
    }
}
