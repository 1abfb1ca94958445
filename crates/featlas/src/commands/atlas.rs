//! The commands that look after an atlas.

use crate::args::{CheckArgs, GcArgs};
use crate::errors::InputError;
use crate::printer::Printer;
use serde_json::json;

pub(crate) fn check(args: &CheckArgs, printer: &Printer) -> anyhow::Result<()> {
    let report = featlas_store::check(&args.atlas, printer)?;
    if args.json {
        let problems: Vec<_> = report
            .problems
            .iter()
            .map(|problem| json!({ "file": problem.file, "what": problem.what }))
            .collect();
        Printer::data(
            &json!({
                "atlas": args.atlas, "files": report.files, "bytes": report.bytes, "rows": report.rows,
                "problems": problems, "orphans": report.orphans,
            })
            .to_string(),
        );
    }
    for problem in &report.problems {
        printer.say(&format!("damaged: {}: `{}`", problem.what, problem.file));
    }
    for orphan in &report.orphans {
        printer.say(&format!("note: nothing refers to `{orphan}`; `featlas gc` removes it"));
    }
    if !report.problems.is_empty() {
        return Err(InputError::with_hint(
            format!("{} problems found: `{}`", report.problems.len(), args.atlas.display()),
            "features: restore the file or extract into a new atlas; maps, posters, galleries, index and report: \
             remove the file and run the stage again",
        )
        .into());
    }
    printer.say(&format!(
        "{} files, {} rows, {} bytes: all as recorded",
        report.files, report.rows, report.bytes
    ));
    Ok(())
}

pub(crate) fn gc(args: &GcArgs, printer: &Printer) -> anyhow::Result<()> {
    let report = featlas_store::gc(&args.atlas, args.dry_run, featlas_store::DEFAULT_GC_AGE)?;
    let verb = if args.dry_run { "would remove" } else { "removed" };
    for file in &report.removed {
        printer.say(&format!("{verb} `{file}`"));
    }
    printer.say(&format!("{verb} {} files, {} bytes", report.removed.len(), report.bytes));
    Ok(())
}
