use super::grow::Draft;
use super::*;
use crate::compact::Projection;
use crate::kernel::Plain;
use crate::record::Sparse;
use crate::testkit::{clustered, vectors_of};
use crate::{Basis, Vectors};
use featlas_core::Silent;

const RANK: usize = 32;

fn codes_of(vectors: &Vectors) -> Vec<u8> {
    let projection = Projection::new(&Basis::of_components(vectors.rows()), RANK);
    let mut codes = vec![0; vectors.len() * projection.rank()];
    for (row, code) in codes.chunks_exact_mut(projection.rank()).enumerate() {
        let mut sparse = Sparse::default();
        sparse.set(vectors.row(row));
        projection.encode(&sparse, code);
    }
    codes
}

fn grown(codes: &[u8], m: usize, seed: u64) -> Draft {
    let mut draft = Draft::new(m, RANK);
    grow(&mut draft, codes, GrowParams { ef_construction: 64, seed }, &Silent).unwrap();
    draft
}

#[test]
fn a_grown_graph_keeps_its_invariants_and_its_links_are_good() {
    let codes = codes_of(&vectors_of(clustered(2000, 40, 12, 3), 40));
    let draft = grown(&codes, 8, 1);
    let view = draft.view();
    view.check().unwrap();
    assert!(view.levels.iter().any(|&level| level > 1), "there are layers");
    // Nearly every code finds its nearest others.
    let mut scratch = Scratch::default();
    let (mut found, mut total) = (0, 0);
    for node in (0..2000u32).step_by(7) {
        view.search(view.code(node), 64, None, &mut scratch);
        let mut truth: Vec<Scored> = (0..2000u32)
            .map(|other| Scored {
                distance: Plain.code_distance(view.code(node), view.code(other)),
                node: other,
            })
            .collect();
        truth.sort_unstable();
        let got: Vec<Scored> = scratch.pool.found().take(10).collect();
        assert!(got.is_sorted());
        found += truth[..10].iter().filter(|t| got.contains(t)).count();
        total += 10;
    }
    assert!(found * 100 > 98 * total, "{found} of {total}");
}

#[test]
fn growing_in_two_steps_keeps_what_was_there() {
    let codes = codes_of(&vectors_of(clustered(1500, 40, 12, 3), 40));
    let mut draft = grown(&codes[..1000 * RANK], 8, 1);
    grow(&mut draft, &codes[1000 * RANK..], GrowParams { ef_construction: 64, seed: 1 }, &Silent).unwrap();
    draft.view().check().unwrap();
    assert_eq!(audit(&mut draft, &Silent).unwrap().still_lost, 0);
    assert_eq!(draft.codes, codes);
}

#[test]
fn absent_nodes_are_neither_visited_nor_found() {
    let codes = codes_of(&vectors_of(clustered(600, 40, 5, 3), 40));
    let draft = grown(&codes, 8, 1);
    let mut absent = NodeSet::new(600);
    (0..600).step_by(3).for_each(|node| absent.insert(node));
    absent.insert(draft.entry);
    let mut scratch = Scratch::default();
    for node in 0..600 {
        draft.view().search(draft.view().code(node), 30, Some(&absent), &mut scratch);
        assert!(scratch.pool.found().all(|scored| !absent.contains(scored.node)));
        assert!(scratch.pool.found().len() >= 29);
    }
}

#[test]
fn lost_nodes_are_found_and_linked_in() {
    let codes = codes_of(&vectors_of(clustered(300, 40, 5, 3), 40));
    let mut draft = grown(&codes, 8, 1);
    // Every fifth node loses all links that lead to it.
    for node in 0..300 {
        for layer in 0..=draft.levels[node as usize] {
            let links: Vec<u32> = draft.view().links(node, layer).filter(|link| link % 5 != 3).collect();
            draft.set_links(node, layer, &links);
        }
    }
    let audit = audit(&mut draft, &Silent).unwrap();
    draft.view().check().unwrap();
    assert!(audit.lost >= 50, "{audit:?}");
    assert!(audit.links_added >= audit.lost);
    assert_eq!((audit.checked, audit.still_lost), (300, 0));
    assert!(audit.self_recall() > 0.999);
}

#[test]
fn broken_graphs_are_refused() {
    let codes = codes_of(&vectors_of(clustered(200, 40, 5, 3), 40));
    let good = grown(&codes, 4, 1);
    let broken = |change: &dyn Fn(&mut Draft)| {
        let mut draft = good.clone();
        change(&mut draft);
        draft.view().check().unwrap_err()
    };
    assert!(broken(&|draft| draft.bottom[0] = 200).contains("bad link to 200"));
    assert!(broken(&|draft| draft.bottom[8] = 1).contains("bad link to 1 "), "a link to itself");
    assert!(broken(&|draft| draft.bottom[0] = NONE).contains("bad link"), "a link after an empty place");
    assert!(broken(&|draft| draft.entry = 200).contains("entry"));
    assert!(broken(&|draft| draft.levels[3] = 200).contains("levels"));
    assert!(broken(&|draft| draft.upper.truncate(1)).contains("slots"));
    assert!(broken(&|draft| draft.slots[5] = 77).contains("slot"));
    assert!(broken(&|draft| draft.codes.truncate(5)).contains("lengths"));
    let low = good.levels.iter().position(|&level| level == 0).unwrap();
    let at = good.slots.iter().position(|&slot| slot == 0).unwrap();
    let text = broken(&|draft| draft.upper[0] = u32::try_from(low).unwrap());
    assert!(text.contains(&format!("node {at} has a bad link to {low} on layer 1")), "{text}");
}
