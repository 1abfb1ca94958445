//! What the user stories share: a desk to work at, images to work on, and the program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Quality of the drawn JPEG files.
const QUALITY: u8 = 90;

/// A fresh folder, and the program run in it.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
    program: &'static str,
}

/// What a finished run of the program said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Words for people.
    pub stderr: String,
}

impl Desk {
    /// A desk for the program at `program`: pass `env!("CARGO_BIN_EXE_featlas-under-test")`.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn new(program: &'static str) -> Self {
        Self { folder: TempDir::with_prefix("featlas-").expect("a temporary folder"), program }
    }

    /// A path on the desk.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Draws `per_class` images of each of the first `classes` scenes into `images/CLASS/`.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn draw_images(&self, classes: usize, per_class: u64) -> PathBuf {
        let folder = self.path("images");
        for (class, name) in featlas_scenes::classes().iter().enumerate().take(classes) {
            fs_err::create_dir_all(folder.join(name)).expect("a folder of the desk");
            for index in 0..per_class {
                write_scene(&folder.join(name).join(format!("{index:03}.jpg")), class, index);
            }
        }
        folder
    }

    /// The program with `args`, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.program);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the program, its words kept.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        self.command(args).output().expect("the program starts").into()
    }

    /// Runs the program, which must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "stdout:\n{}\nstderr:\n{}", said.stdout, said.stderr);
        said
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Draws one scene into a JPEG file.
///
/// # Panics
/// If the file cannot be written.
pub fn write_scene(path: &Path, class: usize, index: u64) {
    let image = featlas_scenes::draw(class, index, 7);
    fs_err::write(path, featlas_image::encode_jpeg(&image, QUALITY).expect("a small picture"))
        .expect("a file of the desk");
}

/// Every file below `folder` by relative path, with its bytes and time of change.
///
/// # Panics
/// If one cannot be read.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(&next).expect("a folder of the desk") {
            let path = entry.expect("an entry of the desk").path();
            let about = fs_err::metadata(&path).expect("an entry of the desk");
            if about.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(folder).expect("it lies below").to_owned();
                let bytes = fs_err::read(&path).expect("a file of the desk");
                files.insert(relative, (bytes, about.modified().expect("times are kept")));
            }
        }
    }
    files
}

/// The JSON file at `path`.
///
/// # Panics
/// If it cannot be read.
pub fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs_err::read(path).expect("the file is there")).expect("it is JSON")
}

/// The folder of real data beside the checkout, if it is there; says so if it is not.
pub fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if !shared.is_dir() {
        skipped();
        return None;
    }
    Some(shared)
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped() {
    eprintln!("skipped: ../shared not found beside the checkout");
}
