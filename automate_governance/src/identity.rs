//! Who people are: accounts, groups, sessions, API tokens, and how somebody proves to be one.

mod email;
pub mod entity;
mod error;
mod session;

pub use email::{check_email, check_name, email_key};
pub use error::{AuthError, IdentityError};
pub use session::{NewSession, Session};
