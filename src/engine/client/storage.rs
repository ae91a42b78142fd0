//! Questions to storage: one at a time, each answered before anything else happens.

use super::push::{Push, Tail};
use super::{Client, Input, Mode, Output, ReplicaState, StatusError, User};
use crate::{EngineError, Millis};
use seaworthy_protocol::{Checkpoint, Cursor, Position, Sequence};

/// A storage output that waits for its answer, and what is to be done then.
#[derive(Debug)]
pub(super) enum Work {
    Load,
    Bind,
    Mark,
    Adopt,
    Record {
        lowest: Option<Position>,
        tail: Tail,
    },
    /// An empty checkpoint at the cursor, which ends entries decided at or before it.
    Settle {
        tail: Tail,
    },
    Apply,
    /// `expected`: what the server expects next, if that is why.
    Forget {
        expected: Option<Sequence>,
    },
    NewIdentity,
}

impl Work {
    fn output(&self) -> &'static str {
        match self {
            Self::Load => "LoadOutbox",
            Self::Bind => "BindUser",
            Self::Mark | Self::Adopt => "MarkAnonymous",
            Self::Record { .. } => "Record",
            Self::Settle { .. } | Self::Apply => "Apply",
            Self::Forget { .. } => "ForgetOutcomes",
            Self::NewIdentity => "NewIdentity",
        }
    }
}

/// Whether `input` may come now.
pub(super) fn check_turn(work: Option<&Work>, input: &Input) -> Result<(), EngineError> {
    let given = input.name();
    match (work, input) {
        (_, Input::StorageFailed) | (Some(Work::Load), Input::Outbox(_)) => Ok(()),
        (Some(work), Input::Stored(_)) if !matches!(work, Work::Load) => Ok(()),
        (Some(Work::Apply), Input::Diverged { .. }) => Ok(()),
        (Some(work), _) => Err(EngineError::AnswerOutstanding { output: work.output(), given }),
        (None, Input::Outbox(_) | Input::Stored(_) | Input::Diverged { .. }) => Err(EngineError::UnaskedAnswer { given }),
        (None, _) => Ok(()),
    }
}

impl Client {
    pub(super) fn ask_storage(&mut self, work: Work, output: Output) {
        self.work = Some(work);
        self.emit(output);
    }

    pub(super) fn bind(&mut self, user: User) {
        self.ask_storage(Work::Bind, Output::BindUser(user));
    }

    pub(super) fn settle(&mut self, cursor: Cursor, tail: Tail) {
        self.ask_storage(Work::Settle { tail }, Output::Apply { rows: Vec::new(), checkpoint: Checkpoint::at(cursor) });
    }

    pub(super) fn stored(&mut self, now: Millis, replica: ReplicaState) {
        self.replica = replica;
        match self.work.take() {
            None | Some(Work::Load | Work::Bind | Work::Mark) => {}
            Some(Work::Adopt) => self.adopted(now),
            Some(Work::Record { lowest, tail }) => self.recorded(now, lowest, tail),
            Some(Work::Settle { tail }) => self.follow(now, tail),
            Some(Work::Apply) => {
                self.collected.synced = true;
                self.backoff.reset();
                self.release();
            }
            Some(Work::Forget { expected }) => self.forgotten(now, expected),
            Some(Work::NewIdentity) => {
                self.push = Push::default();
                self.begin_again(now, 0);
            }
        }
    }

    pub(super) fn storage_failed(&mut self, now: Millis) {
        self.work = None;
        self.push.distrust_marks();
        self.outputs.retain(|output| !output.transmits());
        match self.mode {
            Mode::Socket(_) | Mode::Fetch(_) => self.lose(now, StatusError::storage(), 0),
            _ => self.error = Some(StatusError::storage()),
        }
    }
}
