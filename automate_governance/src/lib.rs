//! Who may do what, and what may leave: the egress guard, the sources of secrets, and the scrubbing
//! of logs.

pub mod egress;
