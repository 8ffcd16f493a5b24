//! The providers that come with Automate.

mod anthropic;
mod echo;
mod openai;
mod upstream;

pub use anthropic::Anthropic;
pub use echo::Echo;
pub use openai::OpenAi;

crate::register_provider!(Anthropic);
crate::register_provider!(Echo);
crate::register_provider!(OpenAi);
