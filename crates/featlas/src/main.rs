//! The command line: looks inside a ConvNet over a whole folder of images.
fn main() {}
