//! `featlas query`.

use crate::args::QueryArgs;
use crate::printer::Printer;
use crate::settings::count;
use featlas_core::ImageId;
use featlas_pipeline::{
    Answer, Ask, QuerySettings, query as search, query_sheet, write_answers_to, write_picture,
};
use featlas_store::Atlas;
use serde_json::json;

pub(crate) fn query(args: &QueryArgs, printer: &Printer) -> anyhow::Result<()> {
    let atlas = Atlas::open(&args.atlas)?;
    let settings = QuerySettings {
        k: count(args.k),
        exact: args.exact,
        spaces: args.space.iter().map(|&space| space.into()).collect(),
        ef_search: args.ef_search.map(count),
        weights: args.weights.clone(),
        exclude_self: args.exclude_self,
        label: args.label.clone(),
        only: args.only.clone(),
        max_distance: args.distance,
        keep_images: args.sheet.is_some(),
    };
    let files = args.images.iter().cloned().map(Ask::File);
    let folders = args.batch.iter().cloned().map(Ask::Source);
    let own = args.id.iter().map(|&id| Ask::Id(ImageId(id)));
    let paths = args.path.iter().cloned().map(Ask::Path);
    let asked: Vec<Ask> = files.chain(folders).chain(own).chain(paths).collect();
    let answers = search(&atlas, &asked, &settings, printer)?;
    // A table of thousands is for programs: it goes to its file alone.
    if args.json || args.parquet.is_none() {
        for answer in &answers {
            Printer::data(&if args.json { json_line(answer) } else { table(answer) });
        }
    }
    if let Some(path) = &args.parquet {
        write_answers_to(&atlas, &answers, path)?;
        printer.say(&format!("{} answers -> {}", answers.len(), path.display()));
    }
    if let Some(path) = &args.sheet {
        write_picture(&query_sheet(&atlas, &answers)?, path)?;
        printer.say(&format!("sheet -> {}", path.display()));
    }
    Ok(())
}

/// One line for programs: the query, the space, its neighbors nearest first.
fn json_line(answer: &Answer) -> String {
    let neighbors: Vec<_> = answer
        .neighbors
        .iter()
        .map(|found| {
            json!({
                "image_id": found.neighbor.id,
                "path": found.record.display_path,
                "label": found.record.label,
                "distance": found.neighbor.distance,
            })
        })
        .collect();
    json!({ "query": answer.query, "space": answer.space.name(), "neighbors": neighbors }).to_string()
}

/// A table for people.
fn table(answer: &Answer) -> String {
    let mut lines = vec![format!("{} ({})", printable(&answer.query), answer.space.name())];
    lines.extend(answer.neighbors.iter().zip(1..).map(|(found, rank)| {
        let distance = answer.space.distance_text(found.neighbor.distance);
        format!("{rank:>5}  {distance:>10}  {}", printable(&found.record.display_path))
    }));
    lines.join("\n")
}

/// A name that cannot move the cursor or start a new line.
pub(crate) fn printable(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(super::printable("a\nb\u{1b}[2J é"), "a\\nb\\u{1b}[2J é");
    }
}
