//! Other writers, outages, kills, lost permissions, clocks that jump: whatever comes between a mint and a status.

mod drift;
mod protocol;
mod strangers;
