//! The command line: looks inside a ConvNet over a whole folder of images.
//!
//! A library only so that the end-to-end tests can build the same program; its one duty is [`main`].

mod args;
mod commands;
mod errors;
mod exit;
mod printer;
mod settings;

use clap::Parser as _;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// Reads the command line, runs it, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            // clap's own code for wrong usage is 2; here 2 says that featlas is at fault.
            drop(err.print());
            let asked_for = matches!(err.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked_for { exit::DONE } else { exit::USER });
        }
    };
    ExitCode::from(commands::run(cli))
}
