//! devcluster.
