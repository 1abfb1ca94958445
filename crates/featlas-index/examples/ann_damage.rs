//! Flips bits of the files of an index and cuts them; every one must be a clean error: `scripts/bench/ann_damage`.

#![expect(clippy::print_stdout, reason = "a program of the benchmark")]

use featlas_core::ImageId;
use featlas_index::{Index, IndexError};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("expected the folder of an index")?);
    let count: usize = args.next().ok_or("expected a count")?.parse()?;
    let files: Vec<PathBuf> =
        fs_err::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    let graph = files.iter().find(|path| name_of(path).starts_with("graph-")).ok_or("no graph file")?;
    let (good, index) = (fs_err::read(graph)?, Index::open(graph)?);
    let ids: Vec<ImageId> = index.live().map(|(_, id)| id).collect();

    // The rows files are damaged in copies.
    let copies = tempfile::tempdir()?;
    for file in index.rows_files() {
        fs_err::copy(folder.join(&file.name), copies.path().join(&file.name))?;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut told = [0usize; 4];
    for round in 0..count {
        match round % 10 {
            // Seven of ten: a bit of the index file.
            0..7 => {
                let mut bytes = good.clone();
                let bit = rng.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                told[0] += refused(&Index::from_bytes(&bytes, &folder), || format!("bit {bit}"))?;
            }
            // Two: the index file cut.
            7 | 8 => {
                let len = rng.random_range(0..good.len());
                told[1] += refused(&Index::from_bytes(&good[..len], &folder), || format!("length {len}"))?;
            }
            // One: a row, or a rows file cut.
            _ => {
                let file = &index.rows_files()[rng.random_range(0..index.rows_files().len())];
                let path = copies.path().join(&file.name);
                if round % 20 < 10 {
                    told[2] += flip_row(&path, &good, copies.path(), &ids, &mut rng)?;
                } else {
                    let len = rng.random_range(0..file.bytes);
                    let bytes = fs_err::read(&path)?;
                    fs_err::remove_file(&path)?;
                    fs_err::write(&path, &bytes[..usize::try_from(len)?])?;
                    told[3] += refused(&Index::from_bytes(&good, copies.path()), || format!("rows {len}"))?;
                    fs_err::remove_file(&path)?;
                    fs_err::write(&path, &bytes)?;
                }
            }
        }
    }
    println!(
        "{}",
        serde_json::json!({
            "refused": told.iter().sum::<usize>(), "of": count, "index_bits": told[0], "index_cuts": told[1],
            "row_bits": told[2], "rows_cuts": told[3],
        })
    );
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// 1 if it is an error of a damaged file.
fn refused(opened: &Result<Index, IndexError>, what: impl Fn() -> String) -> Result<usize, Box<dyn Error>> {
    match opened {
        Err(IndexError::Damaged { .. } | IndexError::Version { .. } | IndexError::DamagedRow { .. }) => Ok(1),
        Err(err) => Err(format!("{}: an error of another kind: {err}", what()).into()),
        Ok(_) => Err(format!("{}: it was read as if nothing had happened", what()).into()),
    }
}

/// Flips one bit of a rows file; the search that reads all rows must say so.
fn flip_row(
    path: &Path,
    good: &[u8],
    folder: &Path,
    ids: &[ImageId],
    rng: &mut ChaCha8Rng,
) -> Result<usize, Box<dyn Error>> {
    let mut bytes = fs_err::read(path)?;
    let bit = rng.random_range(0..bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs_err::remove_file(path)?;
    fs_err::write(path, &bytes)?;
    let opened = Index::from_bytes(good, folder);
    let told = match opened {
        Ok(index) => {
            let all: Result<Vec<_>, IndexError> = ids.iter().map(|&id| index.vector(id)).collect();
            match all {
                Err(IndexError::DamagedRow { .. }) => Ok(1),
                Err(err) => Err(format!("row bit {bit}: {err}").into()),
                Ok(_) => Err(format!("row bit {bit}: nothing was noticed").into()),
            }
        }
        Err(err) => refused(&Err(err), || format!("row bit {bit}")),
    };
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs_err::remove_file(path)?;
    fs_err::write(path, &bytes)?;
    told
}
