//! The HTTP client for Microsoft's hosts.
