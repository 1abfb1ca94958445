//! What can stop a map from being made.

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum EmbedError {
    #[error("no row to map")]
    Empty,
    #[error("row {row} holds a value that is not finite")]
    NonFinite { row: usize },
    #[error("expected {expected} values for {n} points, got {got}")]
    Shape { n: usize, expected: usize, got: usize },
    #[error(
        "row {row} of the neighbors: expected {expected} neighbors other than itself below {n}, got {got}"
    )]
    Neighbors { row: usize, n: usize, expected: usize, got: String },
    #[error("parameter `{name}`: expected {expected}, got `{got}`")]
    Parameter { name: &'static str, expected: &'static str, got: String },
    #[error("expected a grid of at least {n} cells, got {columns} x {rows}")]
    GridTooSmall { n: usize, columns: usize, rows: usize },
    #[error("the {what} did not converge: residual {residual:e}, expected below {limit:e}")]
    Diverged { what: &'static str, residual: f64, limit: f64 },
    #[error("cannot start the thread that computes the map")]
    Thread {
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("cancelled")]
    Cancelled,
}
