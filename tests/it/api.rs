//! The REST API: a real server over a real database, spoken to over sockets.

mod books;
mod site;

mod admitting;
mod bounds;
mod conditions;
mod describing;
mod http2;
mod listing;
mod reading;
mod repeating;
mod routing;
mod streaming;
mod writing;
