//! The emulator as its clients meet it: in process, through its proxy, with its CA.

mod bed;
mod control;
mod defender;
mod discovery;
mod faults;
mod fleet;
mod program;
mod refusals;
mod token;
mod transport;
