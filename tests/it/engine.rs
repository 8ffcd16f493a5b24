//! The engine over real stores: the guarantees that need a driver, a database and time.

mod actions;
mod bed;

mod accepting;
mod ending;
mod policies;
mod recovering;
mod waiting;
