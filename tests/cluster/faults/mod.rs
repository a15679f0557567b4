//! Other writers, outages, kills, lost permissions, clocks that jump: whatever comes between a mint and a status.

mod deletion;
mod drift;
mod kills;
mod outages;
mod protocol;
mod renames;
mod strangers;
