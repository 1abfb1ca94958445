//! Errors for people: what, why, and what to do; and the exit code that follows.

use crate::exit;
use featlas_extract::ExtractError;
use featlas_image::SourceError;
use featlas_net::NetError;
use featlas_pipeline::PipelineError;
use featlas_store::StoreError;

/// A fault of the user's input that only the command line can see.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct InputError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl InputError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// The text of an error: the chain of causes, each told once, then a hint.
pub(crate) fn describe(err: &anyhow::Error) -> String {
    let mut text = format!("error: {err}");
    let mut told = err.to_string();
    for cause in err.chain().skip(1) {
        let cause = cause.to_string();
        // Transparent wrappers repeat their source word for word.
        if cause != told {
            text.push_str("\n  caused by: ");
            text.push_str(&cause);
            told = cause;
        }
    }
    if let Some(hint) = hint_of(err) {
        text.push_str("\nhint: ");
        text.push_str(&hint);
    }
    text
}

fn hint_of(err: &anyhow::Error) -> Option<String> {
    err.chain().find_map(|cause| {
        if let Some(input) = cause.downcast_ref::<InputError>() {
            return input.hint.clone();
        }
        if let Some(pipeline) = cause.downcast_ref::<PipelineError>() {
            return pipeline.hint();
        }
        if let Some(store) = cause.downcast_ref::<StoreError>() {
            return store.hint().map(str::to_owned);
        }
        None
    })
}

/// The exit code of an error.
pub(crate) fn exit_code(err: &anyhow::Error) -> u8 {
    let pipeline = err.chain().find_map(|cause| cause.downcast_ref::<PipelineError>());
    if pipeline.is_some_and(PipelineError::is_interruption) {
        return exit::INTERRUPTED;
    }
    let ours = matches!(pipeline, Some(PipelineError::Extract(ExtractError::ThreadLost { .. })));
    let known = err.chain().any(|cause| {
        cause.is::<InputError>()
            || cause.is::<PipelineError>()
            || cause.is::<StoreError>()
            || cause.is::<NetError>()
            || cause.is::<SourceError>()
            || cause.is::<std::io::Error>()
            || cause.is::<toml::de::Error>()
    });
    if known && !ours { exit::USER } else { exit::BUG }
}
