//! What a killed run, a failing disk or a second writer leaves.

use crate::support::*;
use featlas_core::{ImageId, Silent};
use featlas_store::{Atlas, StoreError, TEMP_PREFIX, check};
use std::sync::Barrier;

fn sound(atlas: &Atlas) -> featlas_store::CheckReport {
    let report = check(atlas.root(), &Silent).unwrap();
    assert_eq!(report.problems, []);
    report
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0], &[], &[]);
    let before = files(atlas.root());
    let mut writer = writer(&atlas);
    (1..300).for_each(|id| writer.push(row(id)).unwrap());
    writer.reject(reject(300)).unwrap();
    let during = files(atlas.root());
    assert!(during.keys().any(|name| name.contains(TEMP_PREFIX)), "rows are on their way to disk");
    drop(writer);
    assert_eq!(files(atlas.root()), before);
}

#[test]
fn a_shard_without_record_is_invisible_and_written_again_over_itself() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0, 1], &[2], &[]);
    let before = read_everything(atlas.root()).unwrap();
    commit(&mut atlas, &[3, 4], &[5], &[0]);
    let after = read_everything(atlas.root()).unwrap();
    let all_files = files(atlas.root());

    // Killed after the shards took their places and before the record: everything but the record is there.
    fs_err::remove_file(atlas.root().join("commits/00000002.json")).unwrap();
    assert_eq!(read_everything(atlas.root()).unwrap(), before);
    assert_eq!(sound(&atlas).orphans.len(), 3);

    let mut atlas = Atlas::open(atlas.root()).unwrap();
    assert_eq!(atlas.next_image_id(), ImageId(3));
    commit(&mut atlas, &[3, 4], &[5], &[0]);
    assert_eq!(files(atlas.root()), all_files);
    assert_eq!(read_everything(atlas.root()).unwrap(), after);
    assert_eq!(sound(&atlas).orphans, [""; 0]);
}

#[test]
fn temporary_files_are_never_read() {
    let (_folder, atlas) = full_atlas();
    let before = read_everything(atlas.root()).unwrap();
    for name in ["", "commits/", "features/", "thumbs/", "rejects/", "maps/"] {
        fs_err::write(atlas.root().join(format!("{name}{TEMP_PREFIX}abc")), b"half a").unwrap();
    }
    assert_eq!(read_everything(atlas.root()).unwrap(), before);
    assert_eq!(sound(&atlas).orphans.len(), 6);
}

#[test]
fn only_the_names_of_records_are_records() {
    let (_folder, atlas) = full_atlas();
    let before = read_everything(atlas.root()).unwrap();
    let record = fs_err::read(atlas.root().join("commits/00000001.json")).unwrap();
    for name in
        ["4.json", "00000004.json.bak", "00000004", "000000004.json", "+0000004.json", "-0000001.json"]
    {
        fs_err::write(atlas.root().join("commits").join(name), &record).unwrap();
    }
    assert_eq!(read_everything(atlas.root()).unwrap(), before);
}

#[test]
fn a_run_killed_before_the_manifest_loses_no_commit() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0], &[], &[]);
    assert_eq!(atlas.manifest().num_commits, 0);
    assert_eq!(Atlas::open(atlas.root()).unwrap().commits(), atlas.commits());
    sound(&atlas);
}

#[test]
fn a_torn_record_is_damage_at_every_length() {
    let (_folder, atlas) = full_atlas();
    let path = atlas.root().join("commits/00000002.json");
    let record = fs_err::read(&path).unwrap();
    for len in 0..record.len() {
        fs_err::write(&path, &record[..len]).unwrap();
        let err = Atlas::open(atlas.root()).unwrap_err();
        assert!(matches!(err, StoreError::BrokenSeal { .. }), "{len}: {err}");
    }
    let report = check(atlas.root(), &Silent).unwrap();
    assert_eq!(report.problems[0].file, "commits/00000002.json");
    assert_eq!(report.problems.len(), 1, "one damage, one problem: {report:?}");
    assert_eq!(report.orphans, [""; 0], "what the record referred to is not called an orphan");
}

#[test]
fn a_missing_record_is_noticed() {
    for (sequence, why) in [(1, "later ones exist"), (3, "the manifest counts it")] {
        let (_folder, atlas) = full_atlas();
        fs_err::remove_file(atlas.root().join(format!("commits/0000000{sequence}.json"))).unwrap();
        let err = Atlas::open(atlas.root()).unwrap_err();
        assert!(
            matches!(err, StoreError::CommitMissing { sequence: s, .. } if s == sequence),
            "{why}: {err}"
        );
        let report = check(atlas.root(), &Silent).unwrap();
        assert_eq!(report.problems[0].file, format!("commits/0000000{sequence}.json"));
        assert_eq!(report.problems[0].what, format!("commit {sequence} is missing"));
    }
}

#[test]
fn a_record_under_another_number_is_refused() {
    let (_folder, atlas) = full_atlas();
    let commits = atlas.root().join("commits");
    fs_err::copy(commits.join("00000001.json"), commits.join("00000004.json")).unwrap();
    let err = Atlas::open(atlas.root()).unwrap_err();
    assert!(err.to_string().starts_with("expected commit 4, got commit 1: "), "{err}");
}

#[test]
fn a_record_of_another_atlas_is_refused() {
    let (_folder, atlas) = full_atlas();
    let mut other = manifest();
    other.fingerprint.set("weights".to_owned(), "ffff".to_owned());
    other.fingerprint_digest = other.fingerprint.digest();
    let folder = tempfile::tempdir().unwrap();
    let mut other = Atlas::create(&folder.path().join("atlas"), &other).unwrap();
    commit(&mut other, &[0], &[], &[]);
    let name = "commits/00000001.json";
    fs_err::copy(other.root().join(name), atlas.root().join(name)).unwrap();
    let err = Atlas::open(atlas.root()).unwrap_err();
    assert!(err.to_string().starts_with("the commit was made with another fingerprint: "), "{err}");
    assert!(!check(atlas.root(), &Silent).unwrap().problems.is_empty());
}

#[test]
fn a_record_without_its_file_is_damage() {
    let (_folder, atlas) = full_atlas();
    let file = &atlas.commits()[0].features.as_ref().unwrap().file;
    fs_err::remove_file(atlas.root().join(file)).unwrap();
    let atlas = Atlas::open(atlas.root()).unwrap();
    let err = atlas.features(&Silent).unwrap_err();
    assert!(matches!(&err, StoreError::Missing { path } if path.ends_with(file)), "{err}");
    assert!(err.hint().is_some());
    let report = check(atlas.root(), &Silent).unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(
        (report.problems[0].file.as_str(), report.problems[0].what.as_str()),
        (file.as_str(), "a file of the atlas is missing")
    );
}

#[test]
fn of_racing_writers_exactly_one_wins() {
    const WRITERS: u64 = 4;
    let (_folder, atlas) = empty_atlas();
    let root = atlas.root();
    let mut expected = Vec::new();
    for round in 0..12 {
        let next = Atlas::open(root).unwrap().next_image_id().0;
        let barrier = Barrier::new(usize::try_from(WRITERS).unwrap());
        let results: Vec<(u64, Result<_, StoreError>)> = std::thread::scope(|scope| {
            let spawn = |w: u64| {
                let barrier = &barrier;
                let work = move || {
                    let mut atlas = Atlas::open(root).unwrap();
                    let mut writer = writer(&atlas);
                    (0..=w).for_each(|i| writer.push(row(next + i)).unwrap());
                    writer.reject(reject(next + w + 1)).unwrap();
                    barrier.wait();
                    (w, writer.commit(&mut atlas, &[]))
                };
                std::thread::Builder::new().name(format!("writer {w}")).spawn_scoped(scope, work).unwrap()
            };
            let threads: Vec<_> = (0..WRITERS).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<u64> = results.iter().filter(|(_, r)| r.is_ok()).map(|(w, _)| *w).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        for (_, result) in results {
            assert!(matches!(result, Ok(_) | Err(StoreError::CommitTaken { .. })), "{result:?}");
        }
        expected.extend(next..=next + winners[0]);
        let atlas = Atlas::open(root).unwrap();
        assert_eq!(atlas.features(&Silent).unwrap().ids, ids(&expected));
        assert_eq!(sound(&atlas).orphans, [""; 0], "the losers took their files away");
    }
}

#[test]
fn racing_writers_of_the_same_rows_do_not_take_each_others_files() {
    let (_folder, atlas) = empty_atlas();
    let mut atlases: Vec<Atlas> = (0..3).map(|_| Atlas::open(atlas.root()).unwrap()).collect();
    let writers: Vec<_> = atlases
        .iter()
        .map(|atlas| {
            let mut writer = writer(atlas);
            writer.push(row(0)).unwrap();
            writer
        })
        .collect();
    let won =
        writers.into_iter().zip(&mut atlases).filter_map(|(w, atlas)| w.commit(atlas, &[]).ok()).count();
    assert_eq!(won, 1);
    assert_eq!(sound(&atlas).rows, 1);
}

#[test]
fn a_disk_that_fails_half_way_leaves_no_row() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0], &[], &[]);
    let before = read_everything(atlas.root()).unwrap();
    // The features can be written, the rejects cannot: a file lies where their folder should be.
    fs_err::write(atlas.root().join("rejects"), b"in the way").unwrap();
    let mut writer = writer(&atlas);
    writer.push(row(1)).unwrap();
    writer.reject(reject(2)).unwrap();
    let err = writer.commit(&mut atlas, &[]).unwrap_err();
    assert!(err.to_string().contains("rejects"), "it names the place: {err}");
    assert_eq!(atlas.commits().len(), 1);
    assert_eq!(read_everything(atlas.root()).unwrap(), before);
}

/// What a child process does: see [`child`].
const CHILD: &str = "FEATLAS_STORE_TEST_CHILD";

/// Not a test of its own: the other process of the tests below, which start this program once more.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (task, root) = task.split_once(' ').unwrap();
    let mut atlas = Atlas::open(std::path::Path::new(root)).unwrap();
    if task == "commit-for-ever" {
        loop {
            let next = atlas.next_image_id().0;
            let rows: Vec<u64> = (next..next + 70).collect();
            commit(&mut atlas, &rows, &[next + 70], &[next.saturating_sub(70)][..usize::from(next > 0)]);
        }
    }
    // Files may not grow beyond a few KiB here.
    let mut writer = writer(&atlas);
    let pushed = (1..2000).try_for_each(|id| writer.push(row(id)));
    let err = pushed.and_then(|()| writer.commit(&mut atlas, &[]).map(drop)).unwrap_err();
    assert!(format!("{err:?}").contains("FileTooLarge"), "{err:?}");
    assert_eq!(atlas.commits().len(), 1);
}

fn start_child(
    task: &str,
    root: &std::path::Path,
    program: &mut std::process::Command,
) -> std::process::Child {
    let task = format!("{task} {}", root.display());
    program.args(["crash::child", "--exact"]).env(CHILD, task);
    program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_process_leaves_whole_commits() {
    let (_folder, atlas) = empty_atlas();
    let root = atlas.root();
    let mut stream = Stream::new(11);
    let mut last = 0;
    for round in 0..12 {
        let program = std::env::current_exe().unwrap();
        let mut child = start_child("commit-for-ever", root, &mut std::process::Command::new(program));
        // Not before its first commit, however busy the machine; then at a random moment of a later one.
        let first = root.join(format!("commits/{:08}.json", last + 1));
        while !first.exists() {
            assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(stream.below(60_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let atlas = Atlas::open(root).unwrap();
        let commits = atlas.commits().len() as u64;
        assert!(commits > last, "round {round}: no commit is lost");
        last = commits;
        assert_eq!(sound(&atlas).rows, atlas.num_images());
        assert_eq!(
            (atlas.num_images(), atlas.num_rejects()),
            (commits * 70 - commits.saturating_sub(1), commits)
        );
        assert_eq!(atlas.next_image_id().0, commits * 71);
    }
    featlas_store::gc(root, false, std::time::Duration::ZERO).unwrap();
    assert_eq!(sound(&atlas).orphans, [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_row_and_no_file() {
    let (_folder, mut atlas) = empty_atlas();
    commit(&mut atlas, &[0], &[], &[]);
    let before = files(atlas.root());
    // The shell sets a limit, in blocks of 512 or 1024 bytes, beyond which writing fails as on a full disk.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", r#"trap "" XFSZ; ulimit -f 64; exec "$0" "$@""#]);
    shell.arg(std::env::current_exe().unwrap());
    let status = start_child("fill-the-disk", atlas.root(), &mut shell).wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(files(atlas.root()), before);
}
