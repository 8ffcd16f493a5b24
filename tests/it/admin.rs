//! The admin, page by page, on a real server.

mod budget;
mod doors;
mod executions;
mod facets;
mod forged;
mod form;
mod hostile;
mod installation;
mod lists;
mod people;
mod permissions;
mod queues;
mod routes;
mod runs;
mod safe;
mod selections;
mod streams;
mod tenants;
mod workflows;
