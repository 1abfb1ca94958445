//! Any order of commits, retirements and reopenings gives the rows that a plain map would hold.

use crate::support::*;
use featlas_core::{ImageId, Silent};
use featlas_store::{Atlas, check};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    /// Ids to skip, then which of the next images are good; and how many live ones end.
    Commit {
        skip: u64,
        good: Vec<bool>,
        retire: usize,
    },
    Retire(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = (0u64..3, prop::collection::vec(any::<bool>(), 0..90), 0usize..6)
        .prop_map(|(skip, good, retire)| Step::Commit { skip, good, retire });
    prop::collection::vec(
        prop_oneof![3 => commit, 1 => (1usize..5).prop_map(Step::Retire), 1 => Just(Step::Reopen)],
        1..7,
    )
}

fn choose(model: &BTreeMap<ImageId, bool>, n: usize, stream: &mut Stream) -> Vec<ImageId> {
    let live: Vec<ImageId> = model.keys().copied().collect();
    let pick = |_| live.get(usize::try_from(stream.below(live.len().max(1) as u64)).unwrap()).copied();
    let mut chosen: Vec<ImageId> = (0..n).filter_map(pick).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_a_map(steps in steps(), seed in any::<u64>()) {
        let (_folder, mut atlas) = empty_atlas();
        let mut stream = Stream::new(seed);
        let mut model: BTreeMap<ImageId, bool> = BTreeMap::new();
        let mut given = 0;
        for step in steps {
            match step {
                Step::Commit { skip, good, retire } => {
                    let retired = choose(&model, retire, &mut stream);
                    let mut writer = writer(&atlas);
                    let first = atlas.next_image_id().0 + skip;
                    for (id, &good) in (first..).zip(&good) {
                        if good { writer.push(row(id)).unwrap() } else { writer.reject(reject(id)).unwrap() }
                    }
                    if !writer.is_empty() || !retired.is_empty() {
                        writer.commit(&mut atlas, &retired).unwrap();
                    }
                    if !good.is_empty() {
                        given = first + good.len() as u64;
                    }
                    model.retain(|id, _| !retired.contains(id));
                    model.extend((first..).map(ImageId).zip(good));
                }
                Step::Retire(n) => {
                    let retired = choose(&model, n, &mut stream);
                    if !retired.is_empty() {
                        atlas.retire(&retired).unwrap();
                        model.retain(|id, _| !retired.contains(id));
                    }
                }
                Step::Reopen => atlas = Atlas::open(atlas.root()).unwrap(),
            }
            prop_assert_eq!(atlas.next_image_id(), ImageId(given));
            let known: BTreeMap<ImageId, bool> =
                atlas.known_images().unwrap().into_iter().map(|image| (image.image_id, !image.rejected)).collect();
            prop_assert_eq!(&known, &model);
        }
        let good: Vec<ImageId> = model.iter().filter(|(_, good)| **good).map(|(id, _)| *id).collect();
        let everything = read_everything(atlas.root()).unwrap();
        let values: Vec<f32> = good.iter().flat_map(|id| row(id.0).feature).collect();
        prop_assert_eq!(&everything.features.ids, &good);
        prop_assert_eq!(&everything.features.values, &values);
        let report = check(atlas.root(), &Silent).unwrap();
        prop_assert_eq!((report.problems, report.orphans), (vec![], vec![]));
        prop_assert_eq!(report.rows, good.len() as u64);
    }
}
