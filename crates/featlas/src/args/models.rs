//! Flags of `models`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ModelsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the architectures
    List {
        /// One JSON object a model
        #[arg(long)]
        json: bool,
    },
    /// Show the layers of a model: shapes, receptive fields, weights
    Info {
        /// Architecture
        name: String,
        /// Weights to check against it
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Convert a torchvision .pth to safetensors, running none of its code
    Import {
        /// The .pth, in the zip or the legacy format
        input: PathBuf,
        /// Architecture that it must fit
        #[arg(long, value_name = "NAME")]
        model: String,
        /// The safetensors file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fetch torchvision's public weights, verify and convert them
    Pull {
        /// Architecture
        name: String,
        /// The safetensors file to write [default: NAME.safetensors]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Another place that serves the same file
        #[arg(long)]
        url: Option<String>,
    },
}
