//! `#[receiver]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, ReturnType};

/// The names of `automate_core::signals::Signal::name`; a test compares them.
const SIGNALS: [&str; 7] = [
    "workflow_started",
    "workflow_completed",
    "workflow_failed",
    "step_started",
    "step_completed",
    "step_failed",
    "event_received",
];

/// The signal in the parentheses.
pub(crate) struct Heard(Ident);

impl Parse for Heard {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let unknown = || format!("name one signal; there are {}", SIGNALS.join(", "));
        let signal: Ident = input.parse().map_err(|error| Error::new(error.span(), unknown()))?;
        if !input.is_empty() {
            return Err(input.error("a receiver hears one signal; write another function for another one"));
        }
        if SIGNALS.contains(&signal.to_string().as_str()) {
            Ok(Self(signal))
        } else {
            Err(Error::new(signal.span(), format!("there is no signal `{signal}`; {}", unknown())))
        }
    }
}

pub(crate) fn expand(heard: &Heard, function: &ItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    let good = signature.asyncness.is_none()
        && signature.generics.params.is_empty()
        && matches!(signature.output, ReturnType::Default)
        && signature.inputs.len() == 1
        && signature.inputs.iter().all(|argument| matches!(argument, FnArg::Typed(_)));
    if !good {
        return Err(Error::new(
            signature.span(),
            "a receiver is `fn name(signal: &Signal)`: it observes, so it neither waits nor answers",
        ));
    }
    let krate = crate::plugins::core_crate();
    let (ident, signal, name) = (&signature.ident, heard.0.to_string(), signature.ident.to_string());
    Ok(quote! {
        #function

        #krate::signals::link::submit! {
            #krate::signals::ReceiverEntry {
                signal: #signal,
                name: ::core::concat!(::core::module_path!(), "::", #name),
                origin: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                receive: #ident,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use automate_core::ids::{EventId, ExecutionId, TenantId};
    use automate_core::signals::{EventSignal, Signal, StepSignal, WorkflowSignal};

    use super::*;

    fn error_of(signal: &str, function: &str) -> String {
        match syn::parse_str::<Heard>(signal) {
            Ok(heard) => expand(&heard, &syn::parse_str(function).unwrap()).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_with_a_receiver_is_said() {
        let good = "fn f(signal: &Signal) {}";
        assert!(error_of("", good).starts_with("name one signal; there are workflow_started, "));
        assert!(error_of("workflow_complete", good).starts_with("there is no signal `workflow_complete`; "));
        assert!(error_of("step_failed, step_started", good).starts_with("a receiver hears one signal"));
        for bad in [
            "async fn f(signal: &Signal) {}",
            "fn f() {}",
            "fn f(&self) {}",
            "fn f(signal: &Signal) -> bool { true }",
            "fn f<T>(signal: T) {}",
        ] {
            assert!(error_of("step_failed", bad).starts_with("a receiver is"), "{bad}");
        }
        for signal in SIGNALS {
            let heard = syn::parse_str::<Heard>(signal).unwrap();
            assert!(expand(&heard, &syn::parse_str(good).unwrap()).is_ok());
        }
    }

    #[test]
    fn the_names_are_those_of_the_signals() {
        let (tenant_id, execution_id) = (TenantId::DEFAULT, ExecutionId::new());
        let workflow = WorkflowSignal { tenant_id, execution_id, workflow: String::new(), version: 1, error: None };
        let (path, uses) = (String::new(), String::new());
        let step = StepSignal { tenant_id, execution_id, workflow: String::new(), path, uses, attempt: 1, error: None };
        let event =
            EventSignal { tenant_id, event_id: EventId::new(), event_type: String::new(), executions: Vec::new() };
        let signals = [
            Signal::WorkflowStarted(workflow.clone()),
            Signal::WorkflowCompleted(workflow.clone()),
            Signal::WorkflowFailed(workflow),
            Signal::StepStarted(step.clone()),
            Signal::StepCompleted(step.clone()),
            Signal::StepFailed(step),
            Signal::EventReceived(event),
        ];
        assert_eq!(signals.each_ref().map(Signal::name), SIGNALS);
    }
}
