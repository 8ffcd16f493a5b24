//! PostgreSQL's text cannot hold the character NUL, which may come in with a path, a key or a log
//! line. It is replaced by U+FFFD on both databases, so that both show the same. JSON is not
//! concerned: it writes the character as an escape.

use automate_core::store::{Accept, Checkpoint, NewDraft, NewVersion};

/// Replaces NUL in a text.
pub(super) fn clean(text: &mut String) {
    if text.as_bytes().contains(&0) {
        *text = text.replace('\0', "\u{fffd}");
    }
}

fn clean_some(text: &mut Option<String>) {
    if let Some(text) = text {
        clean(text);
    }
}

/// Replaces NUL in the texts of an accept that come from outside.
pub(super) fn clean_accept(accept: &mut Accept) {
    if let Some(event) = &mut accept.event {
        clean(&mut event.event_type);
        clean(&mut event.source);
        clean(&mut event.correlation_id);
    }
    if let Some(request) = &mut accept.request {
        clean(&mut request.path);
        clean(&mut request.method);
        clean_some(&mut request.remote_addr);
    }
    if let Some(delivery) = &mut accept.delivery {
        clean(&mut delivery.scope);
        clean(&mut delivery.key);
    }
    for start in &mut accept.starts {
        clean_some(&mut start.dedupe_key);
        clean(&mut start.correlation_id);
    }
}

/// Replaces NUL in the texts of a checkpoint that come from outside.
pub(super) fn clean_checkpoint(checkpoint: &mut Checkpoint) {
    for log in &mut checkpoint.logs {
        clean(&mut log.message);
    }
    for accept in &mut checkpoint.publish {
        clean_accept(accept);
    }
}

/// Replaces NUL in the texts of a document.
pub(super) fn clean_version(version: &mut NewVersion) {
    for text in [
        &mut version.slug,
        &mut version.title,
        &mut version.description,
        &mut version.source,
        &mut version.author,
        &mut version.note,
    ] {
        clean(text);
    }
    for trigger in &mut version.triggers {
        clean(&mut trigger.key);
    }
}

/// Replaces NUL in the texts of a draft.
pub(super) fn clean_draft(draft: &mut NewDraft) {
    clean(&mut draft.source);
    clean(&mut draft.author);
}
