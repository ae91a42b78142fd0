//! Holds the server to the model: the log is what the policies allow (I4), and what is delivered can be
//! read by whom it is delivered to (I5).

use super::conflict::{Scene, strictest};
use super::view::Pending;
use super::world::{Broken, World};
use seaworthy_protocol::{Outcome, Policy, Position, Push, RejectCode, Rows, ServerFrame, TransactionId, TransactionResult};

impl World {
    /// Takes in what the server has committed.
    pub fn follow(&mut self) -> Result<(), Broken> {
        let Some(core) = &self.server.core else { return Ok(()) };
        for (id, position) in self.history.follow(core.connection()).map_err(Broken)? {
            let before = Position(position.0 - 1);
            match self.conflict(id, before)? {
                None | Some(Policy::Rebase) => {}
                Some(policy) => return Err(Broken(format!("{id} is in the log at {}, but met another write under {policy:?}", position.0))),
            }
            if let (Some(before), Some(after)) = (self.history.tables(before), self.history.tables(position)) {
                self.plan.workload.follows(before, after).map_err(Broken)?;
            }
        }
        Ok(())
    }

    /// Every rejection over a conflict has one, under the policy that is said to have decided.
    pub fn check_refusals(&mut self, push: &Push, results: &[TransactionResult]) -> Result<(), Broken> {
        for (transaction, result) in push.transactions.iter().zip(results) {
            let Outcome::Rejected { position, code, data: Some(data), .. } = &result.outcome else { continue };
            if !self.history.refuse(transaction.id, *position) {
                continue;
            }
            // Under a new name a replica cannot say that a write builds on one that ended under the former name.
            let links = self.made(transaction.id).map_or(0, |(_, made)| made.after.len());
            if links > transaction.after.len() {
                continue;
            }
            let found = self.conflict(transaction.id, *position)?;
            let expected = if data.policy == Policy::Server { RejectCode::Discarded } else { RejectCode::Conflict };
            if found != Some(data.policy) || code != expected.as_str() {
                let told = serde_json::to_string(&data).unwrap_or_default();
                let pushed = serde_json::to_string(&transaction).unwrap_or_default();
                return Err(Broken(format!(
                    "{} was rejected as {code}, and by the model met others under {found:?}\ntold: {told}\npushed: {pushed}",
                    transaction.id
                )));
            }
        }
        Ok(())
    }

    /// The strictest policy over which a transaction conflicts with what the server had at a position.
    fn conflict(&self, id: TransactionId, position: Position) -> Result<Option<Policy>, Broken> {
        let (user, transaction) = self.made(id).ok_or_else(|| Broken(format!("the server decided {id}, which nobody made")))?;
        let tables = self.history.tables(position).ok_or_else(|| Broken(format!("{id} was decided at {}, which never was", position.0)))?;
        Ok(strictest(&Scene { tables, left: self.history.left(), user, policies: &self.plan.policies }, transaction))
    }

    /// A transaction as a client made it, and for whom.
    fn made(&self, id: TransactionId) -> Option<(&'static str, &Pending)> {
        self.clients.iter().find_map(|client| Some((client.user, client.known.get(&id)?)))
    }

    /// Holds a frame to what its receiver may read. `arriving` are the rows of a checkpoint that is still to come.
    pub fn check_delivery(&self, user: &str, frame: &ServerFrame, arriving: &mut Vec<Rows>) -> Result<(), Broken> {
        match frame {
            ServerFrame::Rows(rows) => arriving.push(rows.clone()),
            ServerFrame::Checkpoint(checkpoint) => {
                self.history.check_rows(user, &std::mem::take(arriving), checkpoint.cursor).map_err(Broken)?;
            }
            ServerFrame::Results(results) => {
                for result in &results.results {
                    let Outcome::Rejected { data: Some(data), .. } = &result.outcome else { continue };
                    for conflict in &data.conflicts {
                        if let Some(remote) = &conflict.remote {
                            self.history.check_remote(user, &conflict.table, &conflict.key, remote).map_err(Broken)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
