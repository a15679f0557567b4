//! What is asked, what is answered, and what the process is told.

use crate::core::election::{BootTime, Claim, Claimed, Standing};
use crate::core::shards::agreement::{Agreed, Proposal};

/// What is to be asked of the API server, each about one object, which is asked nothing else until there is an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Read a shard's Lease.
    Look(u32),
    /// Write it.
    Claim(u32, Claim),
    /// Read the number of shards.
    LookAtCount,
    /// Write it.
    Propose(Proposal),
}

impl Order {
    /// What it comes to where no answer comes.
    #[must_use]
    pub fn unanswered(self) -> Answer {
        match self {
            Self::Look(shard) => Answer::Looked(shard, Err(())),
            Self::Claim(shard, claim) => Answer::Claimed(shard, claim, Claimed::Failed),
            Self::LookAtCount => Answer::Counted(Err(())),
            Self::Propose(proposal) => Answer::Proposed(proposal, Claimed::Failed),
        }
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the Lease is; an error: it couldn't be read.
    Looked(u32, Result<Option<Standing>, ()>),
    /// What became of the claim.
    Claimed(u32, Claim, Claimed),
    /// What the number is; an error: it couldn't be read.
    Counted(Result<Agreed, ()>),
    /// What became of the proposal.
    Proposed(Proposal, Claimed),
}

/// What the process is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The shard is this process' own. `heir`: somebody else served it until a moment ago.
    Won {
        /// Which.
        shard: u32,
        /// Somebody else served it until a moment ago.
        heir: bool,
    },
    /// Somebody who has none asks for it: to be ended well, and then [`drained`](super::Campaign::drained).
    GiveBack(u32),
}

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This shard's Lease is lost.
    Lost(u32),
    /// Somebody put another number in force while this process held Leases, which no process of ours does.
    Overruled,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Now.
    pub orders: Vec<Order>,
    /// Nothing else until then, or an answer.
    pub until: BootTime,
    /// It is over.
    pub end: Option<End>,
}
