//! What a driver did wrong. The network, storage and the other side are never the cause: they are inputs.

/// A call of `handle` that the contract does not allow. Nothing was changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// An output waits for its answer; nothing else may be given before.
    #[error("the driver gave `{given}` while the engine waits for the answer to `{output}`; answer it first")]
    AnswerOutstanding {
        /// The output that waits.
        output: &'static str,
        /// What came instead.
        given: &'static str,
    },
    /// An answer to an output that the engine did not emit, or that was answered already.
    #[error("the driver gave `{given}`, which the engine did not ask for; answer each output once")]
    UnaskedAnswer {
        /// What came.
        given: &'static str,
    },
}
