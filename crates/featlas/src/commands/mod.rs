//! One function a command: resolve settings, call the pipeline, print.

mod atlas;
mod build;
mod demo;
mod explain;
mod fetch;
mod models;
mod neighbors;
mod poster;
mod query;

use crate::args::{Cli, Command};
use crate::printer::{Cancel, Printer, print_error};
use crate::{errors, exit};

/// Runs the command and returns the exit code.
pub(crate) fn run(cli: Cli) -> u8 {
    let outcome = Cancel::listen().map_err(anyhow::Error::from).and_then(|cancel| {
        let printer = Printer::new(cli.output, cancel);
        dispatch(cli.command, &printer)
    });
    outcome.unwrap_or_else(|err| {
        print_error(&errors::describe(&err));
        errors::exit_code(&err)
    })
}

fn dispatch(command: Command, printer: &Printer) -> anyhow::Result<u8> {
    match command {
        Command::Run(args) => build::run(&args, printer),
        Command::Extract(args) => build::extract(&args, printer),
        Command::Index(args) => build::index(&args, printer),
        Command::Embed(args) => build::embed(&args, printer),
        Command::Poster(args) => poster::poster(&args, printer),
        Command::Gallery(args) => build::gallery(&args, printer),
        Command::Report(args) => build::report(&args, printer),
        Command::Query(args) => query::query(&args, printer),
        Command::Explain(args) => explain::explain(&args, printer),
        Command::Neighbors(args) => neighbors::neighbors(&args, printer),
        Command::Duplicates(args) => neighbors::duplicates(&args, printer),
        Command::Check(args) => atlas::check(&args, printer),
        Command::Gc(args) => atlas::gc(&args, printer),
        Command::Models(args) => models::models(&args, printer),
        Command::Demo(args) => demo::demo(&args, printer),
    }
    .map(|()| exit::DONE)
    .or_else(|err| match err.downcast::<TooManyRejects>() {
        Ok(rejects) => {
            print_error(&rejects.to_string());
            Ok(exit::REJECTS)
        }
        Err(err) => Err(err),
    })
    .or_else(|err| match err.downcast::<explain::SomeUnreadable>() {
        Ok(unreadable) => {
            print_error(&unreadable.to_string());
            Ok(exit::REJECTS)
        }
        Err(err) => Err(err),
    })
}

/// The run finished, but more images were rejected than allowed.
#[derive(Debug, thiserror::Error)]
#[error(
    "error: {rejects} of {images} images were rejected ({:.1} %), more than the {:.1} % allowed by `max-rejects`\n\
     hint: the reasons stand in `{}` and in the report; everything else is done",
    share * 100.0, limit * 100.0, folder.display()
)]
pub(crate) struct TooManyRejects {
    pub(crate) rejects: u64,
    pub(crate) images: u64,
    pub(crate) share: f64,
    pub(crate) limit: f64,
    pub(crate) folder: std::path::PathBuf,
}
