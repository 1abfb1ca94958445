//! Exit codes that scripts may rely on.

/// All done.
pub(crate) const DONE: u8 = 0;
/// The user's input is at fault.
pub(crate) const USER: u8 = 1;
/// featlas is at fault.
pub(crate) const BUG: u8 = 2;
/// Finished, with more rejects than allowed.
pub(crate) const REJECTS: u8 = 3;
/// Stopped by the user.
pub(crate) const INTERRUPTED: u8 = 130;
