//! Does every node find itself? What does not is linked in.

use super::grow::Draft;
use super::{GraphView, NONE, Scratch};
use crate::IndexError;
use featlas_core::{Progress, Stage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Candidates kept while a node looks for itself: fewer than any search uses, so that passing here is the harder thing.
const AUDIT_EF: usize = 16;
/// Rounds of repair. One nearly always suffices: the node that answered instead gets a link to the one that was sought.
const MAX_ROUNDS: usize = 8;
/// Nodes looked up between two looks at the progress.
const CHUNK: u32 = 4096;

/// How the finished graph stood the test: every node was searched for with its own code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Looks every node up, and repairs `draft` until all are found or the rounds are over.
pub(crate) fn audit(draft: &mut Draft, progress: &dyn Progress) -> Result<Audit, IndexError> {
    progress.note(Stage::Index, "every vector looks for itself");
    let mut lost = find_lost(draft.view(), progress)?;
    let mut audit =
        Audit { checked: draft.levels.len(), lost: lost.len(), links_added: 0, still_lost: lost.len() };
    for _ in 0..MAX_ROUNDS {
        if lost.is_empty() {
            break;
        }
        // The search follows its best answer, so a link from there is seen by the next search for the same code.
        for &(node, found) in &lost {
            audit.links_added += add_link(draft, found, node) + add_link(draft, node, found);
        }
        // A full node gave its last link up for the new one, so all are looked up again.
        lost = find_lost(draft.view(), progress)?;
        audit.still_lost = lost.len();
    }
    Ok(audit)
}

/// Adds a link on layer 0, in place of the last one if there is no room.
fn add_link(draft: &mut Draft, from: u32, to: u32) -> usize {
    let mut links: Vec<u32> = draft.view().links(from, 0).collect();
    if links.contains(&to) || from == to {
        return 0;
    }
    links.truncate(draft.view().places(from, 0).len() - 1);
    links.push(to);
    draft.set_links(from, 0, &links);
    1
}

/// Nodes that are not among their own answers, each with the best answer it got.
fn find_lost(graph: GraphView<'_>, progress: &dyn Progress) -> Result<Vec<(u32, u32)>, IndexError> {
    let look_up = |scratch: &mut Scratch, node: u32| -> Option<(u32, u32)> {
        graph.search(graph.code(node), AUDIT_EF, None, scratch);
        let mut found = scratch.pool.found();
        let best = found.clone().next()?;
        // Rows whose codes are equal are as good as found.
        let lost = best.distance > 0 && found.all(|scored| scored.node != node);
        lost.then_some((node, best.node))
    };
    let nodes = u32::try_from(graph.len()).unwrap_or(NONE);
    let mut lost = Vec::new();
    for first in (0..nodes).step_by(CHUNK as usize) {
        if progress.is_cancelled() {
            return Err(IndexError::Cancelled);
        }
        let chunk = first..nodes.min(first + CHUNK);
        lost.par_extend(chunk.into_par_iter().map_init(Scratch::default, look_up).flatten_iter());
    }
    Ok(lost)
}
