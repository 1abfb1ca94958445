//! Tells the system which files come next, so that the disk works while the processors do.

use crate::ExtractError;
use crate::plan::WorkItem;
use crossbeam_channel::{Receiver, Sender, bounded};
use featlas_image::Source;
use std::thread::{Builder, Scope};

/// A thread that asks for files before they are needed. It holds none of their bytes: the system keeps
/// them in its own cache, or not, as its memory allows. Dropping the handle ends the thread.
pub(crate) struct ReadAhead<'work> {
    items: Sender<&'work [WorkItem]>,
}

impl<'work> ReadAhead<'work> {
    pub(crate) fn spawn<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        sources: &'work [Source],
    ) -> Result<Self, ExtractError>
    where
        'work: 'scope,
    {
        let (items, inbox) = bounded(1);
        Builder::new()
            .name("read-ahead".to_owned())
            .spawn_scoped(scope, move || ask(sources, &inbox))
            .map_err(|_spawn| ExtractError::ThreadLost { thread: "read-ahead" })?;
        Ok(Self { items })
    }

    /// Asks for the files of `items`, unless the disk is still busy with those before.
    pub(crate) fn want(&self, items: &'work [WorkItem]) {
        // A full queue means that the disk is behind, and asking for more would not speed it up.
        self.items.try_send(items).ok();
    }
}

fn ask(sources: &[Source], inbox: &Receiver<&[WorkItem]>) {
    for item in inbox.iter().flatten() {
        sources[item.source].read_ahead(&item.entry);
    }
}
