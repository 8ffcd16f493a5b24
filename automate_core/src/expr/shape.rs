//! The shape of a source before it is parsed: minijinja's parser and compiler recurse along chains
//! such as `a.b.c` or `not not not x` without a bound, so long ones are refused from the tokens.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::error::{Fault, TEMPLATE_LIMIT};
use crate::limits;

/// Whether a string is more than its own text.
pub(super) fn is_dynamic(source: &str) -> bool {
    source.contains("{{")
        || source.contains("{%")
        || source.contains("{#")
        || source.contains("$secret:")
        || source.contains("$env:")
}

/// Refuses sources that are too long, too deeply nested, or have too long chains.
pub(super) fn check(source: &str, in_expression: bool, syntax: &SyntaxConfig) -> Result<(), Fault> {
    if source.len() > limits::TEMPLATE_SOURCE_BYTES {
        let message = format!("a template is at most {} bytes", limits::TEMPLATE_SOURCE_BYTES);
        return Err(Fault::new(TEMPLATE_LIMIT, message));
    }
    // One count for each open bracket: how many operations have followed one another inside it.
    let mut chains = vec![0usize];
    let mut depth = 0usize;
    let mut statements = 0usize;
    for token in tokenize(source, in_expression, syntax.clone()) {
        // The parser meets the same error in the same place and says it better.
        let Ok((token, span)) = token else { break };
        match token {
            Token::VariableStart | Token::BlockStart => {
                chains.clear();
                chains.push(0);
                depth = 0;
                statements += usize::from(matches!(token, Token::BlockStart));
            }
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                add(&mut chains, &mut depth);
                chains.push(0);
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose if chains.len() > 1 => {
                depth -= chains.pop().unwrap_or_default();
            }
            Token::Comma => {
                if let Some(last) = chains.last_mut() {
                    depth -= *last;
                    *last = 0;
                }
            }
            Token::Ident("not" | "and" | "or" | "if" | "else" | "is" | "in" | "elif")
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => add(&mut chains, &mut depth),
            _ => {}
        }
        if depth > limits::TEMPLATE_CHAIN || chains.len() > limits::TEMPLATE_RECURSION + 1 {
            let message = "the expression is too deeply nested or too long; split it with a `set` step";
            return Err(Fault::new(TEMPLATE_LIMIT, message).on_line(usize::from(span.start_line)));
        }
        if statements > limits::TEMPLATE_STATEMENTS {
            let message = format!("a template has at most {} statements", limits::TEMPLATE_STATEMENTS);
            return Err(Fault::new(TEMPLATE_LIMIT, message).on_line(usize::from(span.start_line)));
        }
    }
    Ok(())
}

fn add(chains: &mut [usize], depth: &mut usize) {
    if let Some(last) = chains.last_mut() {
        *last += 1;
        *depth += 1;
    }
}
