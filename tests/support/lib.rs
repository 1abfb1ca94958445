//! What the user stories share.
