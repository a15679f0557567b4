//! entra-emulator.
