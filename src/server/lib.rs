//! seaworthy-server
