//! Images to feature rows: the extraction flow.
