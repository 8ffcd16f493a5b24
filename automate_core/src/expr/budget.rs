//! What one render may use up. minijinja's fuel counts instructions, and one instruction may make
//! 100 MB; so every operation that makes a value charges it here, and every operation that may take
//! long looks at the clock.
//!
//! A render runs on one thread from its beginning to its end, so the budget is kept per thread.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use minijinja::{Error, ErrorKind, Value};

use super::error::{TEMPLATE_LIMIT, TEMPLATE_SECRET, TEMPLATE_TYPE};
use crate::limits;

struct Budget {
    deadline: Instant,
    bytes: usize,
    fault: Option<(&'static str, String)>,
}

thread_local! {
    static BUDGET: RefCell<Option<Budget>> = const { RefCell::new(None) };
}

/// Holds the budget of the render that runs on this thread.
pub(super) struct Render(());

impl Render {
    /// Begins a render that must end within `time`.
    pub(super) fn begin(time: Duration) -> Self {
        let budget = Budget { deadline: Instant::now() + time, bytes: limits::TEMPLATE_MEMORY_BYTES, fault: None };
        BUDGET.with(|b| *b.borrow_mut() = Some(budget));
        Self(())
    }

    /// The first fault that could not be returned where it happened, such as in a comparison.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        take_fault()
    }
}

impl Drop for Render {
    fn drop(&mut self) {
        BUDGET.with(|b| *b.borrow_mut() = None);
    }
}

pub(super) fn take_fault() -> Option<(&'static str, String)> {
    BUDGET.with(|b| b.borrow_mut().as_mut().and_then(|b| b.fault.take()))
}

/// Records the first fault of the render.
pub(super) fn note(code: &'static str, message: impl Into<String>) {
    BUDGET.with(|b| {
        if let Some(budget) = b.borrow_mut().as_mut() {
            budget.fault.get_or_insert_with(|| (code, message.into()));
        }
    });
}

/// Records a fault and makes the error that stops the render.
pub(super) fn fail(code: &'static str, message: impl Into<String>) -> Error {
    let message = message.into();
    note(code, message.clone());
    Error::new(ErrorKind::InvalidOperation, message)
}

pub(super) fn over(message: impl Into<String>) -> Error {
    fail(TEMPLATE_LIMIT, message)
}

pub(super) fn wrong_type(message: impl Into<String>) -> Error {
    fail(TEMPLATE_TYPE, message)
}

pub(super) fn secret_misused(what: &str) -> Error {
    fail(
        TEMPLATE_SECRET,
        format!(
            "a secret cannot be {what}; it can be joined to text with `~` and passed to basic_auth, base64, \
             hmac_sha256 or urlencode"
        ),
    )
}

/// Fails when the render has run for too long.
pub(super) fn tick() -> Result<(), Error> {
    let late = BUDGET.with(|b| b.borrow().as_ref().is_some_and(|b| Instant::now() > b.deadline));
    if late { Err(over("the template takes too long")) } else { Ok(()) }
}

/// Takes bytes that an operation has made, or is about to make, from the budget.
pub(super) fn charge(bytes: usize) -> Result<(), Error> {
    let enough = BUDGET.with(|b| match b.borrow_mut().as_mut() {
        None => true,
        Some(budget) => match budget.bytes.checked_sub(bytes) {
            Some(left) => {
                budget.bytes = left;
                true
            }
            None => false,
        },
    });
    if enough {
        Ok(())
    } else {
        Err(over(format!("the template makes more than {} bytes of values", limits::TEMPLATE_MEMORY_BYTES)))
    }
}

/// The error of an undefined value. Asking it for an attribute makes minijinja remember which
/// expression it came from, which no public constructor does.
pub(super) fn undefined(value: &Value) -> Error {
    value.get_attr("").err().unwrap_or_else(|| Error::from(ErrorKind::UndefinedError))
}
