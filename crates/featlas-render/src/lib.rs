//! Pictures and pages: posters, contact sheets, galleries, heatmaps, color maps, the report.
//!
//! Useful for: turning plain values (coordinates, cells, labels, thumbnails, activations) into something to look
//! at. Not useful for: knowing where those values come from; there is no network, index or table here.
//!
//! Everything is deterministic: the same values give the same bytes. Posters are [`Picture`]s, drawn
//! window by window, so that one of 60,000 pixels needs no more memory than a few of its rows.
//! Names come from strangers' files; [`text`] and [`html`] see to it that they stay names.

mod canvas;
pub mod color;
mod colormap;
mod error;
pub mod figure;
mod gallery;
mod heatmap;
pub mod html;
pub mod palette;
mod picture;
mod poster;
mod pyramid;
mod report;
mod sheet;
pub mod text;
mod tiles;

pub use canvas::Canvas;
pub use color::Color;
pub use colormap::Colormap;
pub use error::RenderError;
pub use gallery::{ChannelEntry, GalleryParams, Patch, channel_sheet, gallery_index_html, overview_sheet};
pub use heatmap::{Heat, HeatmapParams, heatmap, overlay, with_color_bar};
pub use picture::{MAX_SIDE_PX, Picture, Previewed, render, write_jpeg, write_png};
pub use poster::{
    DEFAULT_SIZE_PX, GridPoster, LabelMark, PointsPoster, ScatterPoster, Seam, Seams, grid_picture,
    points_picture, scatter_picture,
};
pub use pyramid::{PYRAMID_TILE_PX, Pyramid, PyramidTile, write_pyramid};
pub use report::{
    AccuracyView, ExplainedImage, Figure, FollowsView, MapCell, NamedImage, RecallPoint, RecallView,
    RejectRow, ReportView, StageRow, VIEWER_JS, ZoomMap, ZoomView, report_html,
};
pub use sheet::{SheetItem, SheetParams, SheetRow, contact_sheet};
pub use text::{grouped, visible};
pub use tiles::{Fit, Tiles, fit};
