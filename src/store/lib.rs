//! seaworthy-store
