#![expect(clippy::cast_possible_truncation, reason = "test graphs are small")]

use super::*;
use crate::testkit::{clustered, vectors_of};
use featlas_core::ImageId;
use std::collections::BTreeSet;

/// A made-up graph: links to near and to random nodes, three layers.
fn sample(n: usize, seed: u64) -> (Vectors, Parts) {
    let vectors = vectors_of(clustered(n, 12, 7, seed), 12);
    let level = |node: usize| u8::from(node.is_multiple_of(5)) + u8::from(node.is_multiple_of(25));
    let (mut degrees, mut links) = (Vec::new(), Vec::new());
    for node in 0..n {
        for layer in 0..=level(node) {
            let on_layer: Vec<usize> = (0..n).filter(|&v| v != node && level(v) >= layer).collect();
            let mut near = on_layer.clone();
            near.sort_by(|&a, &b| {
                cosine(vectors.row(node), vectors.row(a))
                    .total_cmp(&cosine(vectors.row(node), vectors.row(b)))
            });
            near.truncate(4);
            near.push(on_layer[(node * 31 + seed as usize) % on_layer.len()]);
            near.dedup();
            degrees.push(near.len() as u16);
            links.extend(near.into_iter().map(|v| v as u32));
        }
    }
    let parts = Parts {
        node_of_row: (0..n as u32).collect(),
        levels: (0..n).map(level).collect(),
        degrees,
        links,
        entry: 25,
    };
    (vectors, parts)
}

/// Algorithms 2 and 5 as the paper words them, on sets and sorted lists.
fn by_the_paper(vectors: &Vectors, parts: &Parts, query: &[f32], ef: usize) -> Vec<Scored> {
    let links = |node: u32, layer: u8| -> Vec<u32> {
        let before: usize = parts.levels[..node as usize].iter().map(|&level| level as usize + 1).sum();
        let slot = before + layer as usize;
        let first: usize = parts.degrees[..slot].iter().map(|&d| d as usize).sum();
        parts.links[first..first + parts.degrees[slot] as usize].to_vec()
    };
    let score = |node: u32| Scored { distance: cosine(vectors.row(node as usize), query), node };
    let search_layer = |start: u32, ef: usize, layer: u8| -> Vec<Scored> {
        let (mut v, mut c, mut w) =
            (BTreeSet::from([start]), BTreeSet::from([score(start)]), BTreeSet::from([score(start)]));
        while let Some(nearest) = c.pop_first() {
            if nearest > *w.last().unwrap() {
                break;
            }
            for e in links(nearest.node, layer) {
                if v.insert(e) && (w.len() < ef || score(e) < *w.last().unwrap()) {
                    c.insert(score(e));
                    w.insert(score(e));
                    if w.len() > ef {
                        w.pop_last();
                    }
                }
            }
        }
        w.into_iter().collect()
    };
    let mut ep = parts.entry;
    for layer in (1..=parts.levels[parts.entry as usize]).rev() {
        ep = search_layer(ep, 1, layer)[0].node;
    }
    search_layer(ep, ef, 0)
}

#[test]
fn search_does_what_the_paper_says() {
    for seed in 0..4 {
        let (vectors, parts) = sample(130, seed);
        let graph = Graph::new(parts.clone()).unwrap();
        for (query, ef) in (0..130).step_by(7).zip([1, 2, 3, 5, 10, 40, 200].into_iter().cycle()) {
            let query = vectors.row(query);
            let got = graph.search(&vectors, query, ef);
            let want = by_the_paper(&vectors, &parts, query, ef);
            let pairs =
                |found: &[Scored]| found.iter().map(|s| (s.distance.to_bits(), s.node)).collect::<Vec<_>>();
            assert_eq!(pairs(&got), pairs(&want), "seed {seed}, ef {ef}");
        }
    }
}

#[test]
fn an_absent_node_is_neither_found_nor_walked_through() {
    // A chain 0 - 1 - 2: without its middle the end is out of reach.
    let vectors = vectors_of(clustered(3, 4, 3, 1), 4);
    let parts = Parts {
        node_of_row: vec![0, 1, 2],
        levels: vec![0; 3],
        degrees: vec![1, 2, 1],
        links: vec![1, 0, 2, 1],
        entry: 0,
    };
    let graph = Graph::new(parts).unwrap();
    let nodes = |out: &[u32]| {
        let mut absent = NodeSet::new(3);
        assert!(out.iter().all(|&node| absent.insert(node)));
        let mut found: Vec<u32> =
            graph.search_without(&vectors, vectors.row(2), 9, &absent).iter().map(|s| s.node).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(nodes(&[]), [0, 1, 2]);
    assert_eq!(nodes(&[2]), [0, 1]);
    assert_eq!(nodes(&[1]), [0]);
    // The entry is where the search begins, there or not.
    assert_eq!(nodes(&[0]), [1, 2]);
}

#[test]
fn parts_come_back_as_they_went_in() {
    let (_, parts) = sample(80, 9);
    assert_eq!(Graph::new(parts.clone()).unwrap().parts(), parts);
}

#[test]
fn added_links_are_kept_once_and_followed() {
    let (_, parts) = sample(60, 2);
    let mut graph = Graph::new(parts).unwrap();
    let known = graph.links(7, 0)[0];
    let fresh = (0..60).find(|v| *v != 7 && !graph.links(7, 0).contains(v)).unwrap();
    let upper: Vec<u32> = graph.links(25, 2).to_vec();
    assert_eq!(graph.add_links(vec![(7, fresh), (7, known), (7, 7), (7, fresh), (59, 0)]), 2);
    assert_eq!(graph.links(7, 0).last(), Some(&fresh));
    assert_eq!(graph.links(59, 0).last(), Some(&0));
    assert_eq!(graph.links(25, 2), upper);
    Graph::new(graph.parts()).unwrap();
}

#[test]
fn duplicates_share_a_node_and_come_out_by_id() {
    let ids = [50u64, 40, 30, 20, 10].map(ImageId).to_vec();
    let (vectors, _) = Vectors::new(ids, vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2).unwrap();
    let parts = Parts {
        node_of_row: vec![0, 1, 0, 1, 0],
        levels: vec![0, 0],
        degrees: vec![1, 1],
        links: vec![1, 0],
        entry: 0,
    };
    let graph = Graph::new(parts).unwrap();
    assert_eq!(graph.rows_of(0), [0, 2, 4]);
    let nodes = graph.search(&vectors, &[1.0, 0.0], 2);
    let rows: Vec<u32> = graph.hits(&vectors, &nodes, 4).iter().map(|hit| hit.row).collect();
    assert_eq!(rows, [4, 2, 0, 3]);
}

type Spoil = fn(&mut Parts);

#[test]
fn every_broken_invariant_is_named() {
    let (_, good) = sample(30, 1);
    let breaks: [(&str, Spoil); 9] = [
        ("row 0 belongs to node 3", |p| p.node_of_row[0] = 3),
        ("row 29 belongs to node 31", |p| p.node_of_row[29] = 31),
        ("at least one row for each", |p| p.node_of_row[29] = 0),
        ("levels below 16", |p| p.levels[25] = 16),
        ("entry 26 is no node of the top layer", |p| p.entry = 26),
        ("entry 77 is no node of the top layer", |p| p.entry = 77),
        ("degrees, got", |p| p.degrees.truncate(3)),
        ("links, got", |p| p.degrees[4] += 1),
        ("node 0 has a bad link to 30 on layer 0", |p| p.links[0] = 30),
    ];
    for (text, spoil) in breaks {
        let mut parts = good.clone();
        spoil(&mut parts);
        let err = Graph::new(parts).unwrap_err();
        assert!(err.contains(text), "{err}");
    }
    // A link to a node that does not live on the layer, and a link to itself.
    for target in [1, 0] {
        let mut parts = good.clone();
        parts.links[good.degrees[0] as usize] = target;
        assert!(Graph::new(parts).unwrap_err().contains("on layer 1"));
    }
    assert!(
        Graph::new(Parts { node_of_row: vec![], levels: vec![], degrees: vec![], links: vec![], entry: 0 })
            .is_err()
    );
}
