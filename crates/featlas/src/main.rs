//! The `featlas` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    featlas::main()
}
