//! The engine's resources over REST: a real server over a real database, and every answer held
//! against the document that describes it.

mod shapes;
mod site;

mod allowed;
mod bulk;
mod catalogue;
mod control;
mod events;
mod executions;
mod following;
mod inbox;
mod queue;
mod running;
mod workflows;
