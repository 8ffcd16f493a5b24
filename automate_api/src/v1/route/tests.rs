//! Views that contradict each other.

use std::sync::Arc;

use super::*;
use crate::v1::base::{Access, Action, BaseApiView, Reply};

/// A view of operations that a test makes.
struct Given(&'static str, fn() -> Vec<Operation>);

impl BaseApiView for Given {
    fn name(&self) -> &'static str {
        self.0
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        (self.1)()
    }
}

fn get(path: &str, name: &'static str) -> Operation {
    Operation::get(path, Action::custom(name))
        .access(Access::public())
        .answers_nothing("Nothing.")
        .handler(|_| async { Ok(Reply::no_content()) })
}

fn checked(make: fn() -> Vec<Operation>) -> Result<(), RouteError> {
    check(&root::with_root(Views::new().with(Given("things", make))))
}

#[test]
fn what_can_be_mounted_is() {
    assert_eq!(checked(|| vec![get("/things", "a"), get("/things/{id}", "b"), get("/things/new", "c")]), Ok(()));
}

#[test]
fn two_operations_in_one_place_are_a_mistake() {
    let twice = checked(|| vec![get("/things/{id}", "a"), get("/things/{id}", "b")]);
    assert!(matches!(twice, Err(RouteError::Twice { .. })), "{twice:?}");
    let named_otherwise = checked(|| vec![get("/things/{id}", "a"), get("/things/{name}/x", "b")]);
    assert!(matches!(named_otherwise, Err(RouteError::Path { .. })), "{named_otherwise:?}");
    let same_id = checked(|| vec![get("/things", "a"), get("/things/x", "a")]);
    assert_eq!(same_id, Err(RouteError::SameId("things_a".to_owned())));
    let views = Views::new().with(Given("things", Vec::new)).with(Given("things", Vec::new));
    assert_eq!(check(&views), Err(RouteError::SameName("things".to_owned())));
}

#[test]
fn a_path_that_routers_read_otherwise_is_a_mistake() {
    for make in [
        || vec![get("things", "a")],
        || vec![get("/things/", "a")],
        || vec![get("/things//x", "a")],
        || vec![get("/things/{*rest}", "a")],
        || vec![get("/things/x{id}", "a")],
        || vec![get("/things?x=1", "a")],
    ] as [fn() -> Vec<Operation>; 6]
    {
        assert!(matches!(checked(make), Err(RouteError::Path { .. })));
    }
}

#[test]
fn an_operation_says_who_may_and_what_it_answers() {
    let nobody = checked(|| vec![Operation::get("/things", Action::List).answers_nothing("Nothing.")]);
    assert_eq!(nobody, Err(RouteError::NoAccess("things_list".to_owned())));
    let silent = checked(|| vec![Operation::get("/things", Action::List).access(Access::public())]);
    assert_eq!(silent, Err(RouteError::NoAnswer("things_list".to_owned())));
}
