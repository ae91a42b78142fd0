//! What a schedule is like: how many take part, and which faults it knows. Each seed switches most faults
//! off and a few far up ("swarm testing", Groce et al. 2012), so that rare combinations come about.

use super::fault::{FAULTS, Fault};
use super::random::Random;
use super::schema::{Policies, SHAPES};
use super::workload::Workload;
use seaworthy_protocol::Policy;

/// The users that there may be.
pub const USERS: &[&str] = &["alice", "bob", "carol"];

#[derive(Clone, Debug)]
pub struct Plan {
    pub workload: Workload,
    pub clients: usize,
    pub users: usize,
    /// How long faults and writes go on.
    pub chaos_ms: u64,
    /// Between two actions of an application.
    pub act_every_ms: u64,
    /// Between two faults.
    pub fault_every_ms: u64,
    /// Weights of the faults, in the order of [`super::fault::FAULTS`].
    pub faults: Vec<u32>,
    pub latency_ms: (u64, u64),
    /// Of requests and of answers over fetch.
    pub loss: f64,
    pub duplication: f64,
    /// Of tokens that the application gives late, wrong or not at all.
    pub bad_tokens: f64,
    pub token_ms: u64,
    /// Clients whose proxy cuts connections after 30 s.
    pub cut_by_proxy: f64,
    /// Clients whose WebSockets never work, not even at the end.
    pub fetch_only: f64,
    /// How many ids the applications choose from. Few ids collide often.
    pub ids: usize,
    /// How often a client's wall clock is years off.
    pub wrong_clocks: f64,
    /// How often a write runs as an interactive transaction.
    pub interactive: f64,
    /// What the tables do about writes that meet.
    pub policies: Policies,
    /// How often a write asks for a stricter policy.
    pub asking: f64,
}

const POLICIES: &[Policy] = &[Policy::Rebase, Policy::Server, Policy::Manual, Policy::Fail];

impl Plan {
    pub fn new(workload: Workload, random: &mut Random) -> Self {
        let mut plan = Self::mixed(random);
        plan.workload = workload;
        let keep = |fault: &Fault| match workload {
            Workload::Mixed => true,
            // What a restore loses is lost to any workload.
            Workload::Register | Workload::Bank => !matches!(fault, Fault::BackUpServer | Fault::RestoreServer),
            Workload::Steady => matches!(fault, Fault::CopyDatabase | Fault::BackUpServer | Fault::RestoreServer | Fault::CompactServer),
        };
        for (weight, (fault, usual)) in plan.faults.iter_mut().zip(FAULTS) {
            *weight = if keep(fault) && workload == Workload::Steady { *usual } else { *weight * u32::from(keep(fault)) };
        }
        match workload {
            Workload::Mixed => {}
            Workload::Register | Workload::Bank => {
                (plan.clients, plan.asking) = (plan.clients.max(2), 0.0);
                plan.chaos_ms = plan.chaos_ms.min(90_000);
                plan.policies.insert("accounts", Policy::Fail);
            }
            Workload::Steady => {
                plan.heal();
                (plan.clients, plan.users, plan.chaos_ms) = (3, 2, 15_000);
                (plan.act_every_ms, plan.fault_every_ms, plan.token_ms) = (400, 1_000, 3_600_000);
                (plan.fetch_only, plan.asking) = (0.0, 0.3);
            }
        }
        plan
    }

    fn mixed(random: &mut Random) -> Self {
        let clients = 1 + random.weighted(&[1, 4, 4, 2]);
        let mut sometimes = |probability: f64, value: f64| if random.chance(probability) { value } else { 0.0 };
        let (loss, duplication, bad_tokens) = (sometimes(0.4, 0.25), sometimes(0.4, 0.25), sometimes(0.25, 0.2));
        let fetch_only = sometimes(0.25, 0.6);
        let (cut_by_proxy, wrong_clocks, interactive) = (sometimes(0.2, 0.5), sometimes(0.3, 0.5), sometimes(0.4, 0.3));
        let faults = FAULTS.iter().map(|(_, weight)| if random.chance(0.45) { *weight } else { 0 }).collect();
        let all_rebase = random.chance(0.3);
        let policy = |random: &mut Random| if all_rebase { Policy::Rebase } else { *random.pick(POLICIES) };
        let policies = SHAPES.iter().map(|shape| (shape.name, policy(random))).collect();
        let asking = if random.chance(0.4) { 0.3 } else { 0.0 };
        Self {
            workload: Workload::Mixed,
            policies,
            asking,
            clients,
            users: 1 + random.weighted(&[4, 3, 1]).min(clients - 1),
            chaos_ms: random.range(20_000, 240_000),
            act_every_ms: *random.pick(&[400, 1_500, 4_000]),
            fault_every_ms: *random.pick(&[1_500, 6_000, 20_000]),
            faults,
            latency_ms: *random.pick(&[(1, 5), (20, 120), (100, 2_000)]),
            loss,
            duplication,
            bad_tokens,
            token_ms: *random.pick(&[35_000, 120_000, 3_600_000, 3_600_000]),
            cut_by_proxy,
            fetch_only,
            ids: *random.pick(&[2, 4, 8]),
            wrong_clocks,
            interactive,
        }
    }

    /// What a write asks for.
    pub fn policy(&self, random: &mut Random) -> Policy {
        if random.chance(self.asking) { *random.pick(POLICIES) } else { Policy::Rebase }
    }

    /// The network and the tokens are good again.
    pub fn heal(&mut self) {
        (self.loss, self.duplication, self.bad_tokens, self.cut_by_proxy) = (0.0, 0.0, 0.0, 0.0);
        self.latency_ms = (1, 20);
    }
}
