//! Why one image has no feature row.

use std::fmt;

/// Longest message of a [`Reject`], in bytes.
pub const MAX_MESSAGE_BYTES: usize = 200;

/// The kind of fault, as it is written to the reject table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The file has no bytes.
    Empty,
    /// No format that is read begins like this, or this variant of the format is not read.
    UnknownFormat,
    /// The file ends before the picture does.
    Truncated,
    /// The bytes contradict their format.
    Corrupt,
    /// The file or the picture is larger than the limits allow.
    TooLarge,
    /// The file cannot be opened or read.
    Unreadable,
    /// The file is no longer there.
    Vanished,
    /// A FIFO, socket, device, folder or link stands where a file was expected.
    NotRegular,
    /// The file is not the one that was listed: its size changed.
    InputChanged,
    /// The decoder panicked.
    DecoderPanic,
    /// The network's output for this image is not finite.
    NonFinite,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Empty,
        Self::UnknownFormat,
        Self::Truncated,
        Self::Corrupt,
        Self::TooLarge,
        Self::Unreadable,
        Self::Vanished,
        Self::NotRegular,
        Self::InputChanged,
        Self::DecoderPanic,
        Self::NonFinite,
    ];

    /// The reason's code, in `snake_case`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::UnknownFormat => "unknown_format",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Vanished => "vanished",
            Self::NotRegular => "not_regular",
            Self::InputChanged => "input_changed",
            Self::DecoderPanic => "decoder_panic",
            Self::NonFinite => "non_finite",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// One bad image: the kind of fault and a short remark for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The kind of fault.
    pub reason: RejectReason,
    /// One line of at most [`MAX_MESSAGE_BYTES`] bytes; it never names the path.
    pub message: String,
}

impl Reject {
    /// Shortens `message` to [`MAX_MESSAGE_BYTES`] bytes and puts it on one line.
    pub fn new(reason: RejectReason, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.contains(char::is_control) {
            message = message.replace(char::is_control, " ");
        }
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
        Self { reason, message }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Reject {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct() {
        let codes: BTreeSet<_> = RejectReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), RejectReason::ALL.len());
    }

    #[test]
    fn long_messages_end_at_a_character_border() {
        let reject = Reject::new(RejectReason::Corrupt, "é".repeat(150) + "\n");
        assert_eq!(reject.message.len(), MAX_MESSAGE_BYTES);
        let reject = Reject::new(RejectReason::Corrupt, "x".to_owned() + &"é".repeat(150));
        assert_eq!(reject.message.len(), MAX_MESSAGE_BYTES - 1);
        assert_eq!(Reject::new(RejectReason::Empty, "a\nb\u{1b}[31m").message, "a b [31m");
    }
}
