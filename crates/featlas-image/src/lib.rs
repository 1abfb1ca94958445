//! Image sources, decoding, orientation, resizing equal to Pillow's, thumbnails.
//!
//! Useful for: finding the images of a [`Source`], reading and [`decode()`]-ing one of them within [`Limits`],
//! and shaping the pixels ([`resize()`], [`crop()`], [`thumbnail()`], [`encode_jpeg`], [`encode_png`]).
//! Not useful for: anything that knows a network, a table or a color map.
//!
//! One bad image is never an error here. It is a [`Reject`] with a reason code, and the run goes on.

mod crop;
mod decode;
mod encode;
mod error;
mod limits;
mod orient;
mod reject;
mod resize;
mod source;
mod thumbnail;

pub use crop::{crop, resize_nearest_up};
pub use decode::{DecodeBuffers, DecodeOptions, Decoded, Format, decode, decode_with, decoder_versions};
pub use encode::{EncodeError, JpegWriter, MAX_JPEG_SIDE_PX, encode_cut_out, encode_jpeg, encode_png};
pub use error::SourceError;
pub use limits::{DEFAULT_MAX_FILE_BYTES, DEFAULT_MAX_PIXELS, DEFAULT_MAX_SIDE_PX, Limits};
pub use orient::orient;
pub use reject::{MAX_MESSAGE_BYTES, Reject, RejectReason};
pub use resize::{Resizer, resize};
pub use source::{DEFAULT_PATH_COLUMN, Entry, ImagePath, ListRow, Source, SourceOptions, Stamp};
pub use thumbnail::{thumbnail, thumbnail_size};
