//! Two credentials, one after the other.
