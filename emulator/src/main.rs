//! entra-emulator.
fn main() {}
