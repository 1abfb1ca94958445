//! Does every node find itself? What does not is linked in.

use crate::graph::{Graph, Scored};
use crate::{IndexError, Vectors};
use featlas_core::{Progress, Stage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Candidates kept while a node looks for itself: fewer than any search uses, so that passing here is the harder thing.
const AUDIT_EF: usize = 16;
/// Rounds of repair. One nearly always suffices: the node that answered instead gets a link to the one that was sought.
const MAX_ROUNDS: usize = 8;
/// Nodes looked up between two looks at the progress.
const CHUNK: usize = 2048;

/// How the finished graph stood the test: every node was searched for with its own vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Nodes searched for: all of them.
    pub checked: usize,
    /// Nodes that did not find themselves as built.
    pub lost: usize,
    /// Links added to make them reachable.
    pub links_added: usize,
    /// Nodes that do not find themselves after the repair: 0, or the index is poor.
    pub still_lost: usize,
}

impl Audit {
    /// Share of nodes that find themselves, in `[0, 1]`.
    pub fn self_recall(&self) -> f64 {
        1.0 - self.still_lost as f64 / self.checked.max(1) as f64
    }
}

/// Looks every node up, and repairs `graph` until all are found or the rounds are over.
pub(crate) fn audit(
    vectors: &Vectors,
    graph: &mut Graph,
    progress: &dyn Progress,
) -> Result<Audit, IndexError> {
    progress.note(Stage::Index, "every vector looks for itself");
    let all: Vec<u32> = (0u32..).take(graph.len()).collect();
    let mut lost = find_lost(vectors, graph, &all, progress)?;
    let mut audit = Audit { checked: all.len(), lost: lost.len(), links_added: 0, still_lost: lost.len() };
    for _ in 0..MAX_ROUNDS {
        if lost.is_empty() {
            break;
        }
        // The search expands its best answer, so a link from there is seen by the next search for the same vector.
        let links = lost.iter().flat_map(|&(node, found)| [(found, node), (node, found)]).collect();
        audit.links_added += graph.add_links(links);
        let again: Vec<u32> = lost.iter().map(|&(node, _)| node).collect();
        lost = find_lost(vectors, graph, &again, progress)?;
        audit.still_lost = lost.len();
    }
    Ok(audit)
}

/// Nodes of `sought` that are not among their own answers, each with the best answer it got.
fn find_lost(
    vectors: &Vectors,
    graph: &Graph,
    sought: &[u32],
    progress: &dyn Progress,
) -> Result<Vec<(u32, u32)>, IndexError> {
    let look_up = |&node: &u32| -> Option<(u32, u32)> {
        let query = vectors.row(graph.rows_of(node)[0] as usize);
        let found: Vec<Scored> = graph.search(vectors, query, AUDIT_EF);
        let lost = !found.iter().any(|scored| scored.node == node);
        // Distinct rows can be at distance zero when their difference underflows; that is as good as found.
        found.first().filter(|best| lost && best.distance > 0.0).map(|best| (node, best.node))
    };
    let mut lost = Vec::new();
    for chunk in sought.chunks(CHUNK) {
        if progress.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        lost.par_extend(chunk.par_iter().filter_map(look_up));
    }
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Parts;
    use crate::testkit::{clustered, vectors_of};
    use featlas_core::Silent;

    #[test]
    fn orphans_are_found_and_linked_in() {
        // A ring of 60 in which every fifth node has links out but none in.
        let vectors = vectors_of(clustered(60, 8, 60, 5), 8);
        let is_orphan = |node: u32| node % 5 == 3;
        let ring: Vec<u32> = (0..60).filter(|&node| !is_orphan(node)).collect();
        let links: Vec<u32> = (0..60u32)
            .flat_map(|node| {
                let at = ring.partition_point(|&other| other <= node);
                [ring[at % ring.len()], ring[(at + 1) % ring.len()]]
            })
            .collect();
        let parts = Parts {
            node_of_row: (0..60).collect(),
            levels: vec![0; 60],
            degrees: vec![2; 60],
            links,
            entry: 0,
        };
        let mut graph = Graph::new(parts).unwrap();
        let audit = audit(&vectors, &mut graph, &Silent).unwrap();
        assert!(audit.lost >= 12, "{audit:?}");
        assert!(audit.links_added >= audit.lost);
        assert_eq!((audit.checked, audit.still_lost), (60, 0));
        assert!(audit.self_recall() > 0.999);
    }
}
