//! Other writers, outages, kills, lost permissions, clocks that jump: whatever comes between a mint and a status.

mod clock;
mod deletion;
mod drift;
mod fairness;
mod kills;
mod outages;
mod permissions;
mod protocol;
mod renames;
mod restarts;
mod strangers;
mod successor;
