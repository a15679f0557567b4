//! The kill switch.
