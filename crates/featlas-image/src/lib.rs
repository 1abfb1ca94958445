//! Image sources, decoding, orientation, resizing equal to Pillow's, thumbnails.
