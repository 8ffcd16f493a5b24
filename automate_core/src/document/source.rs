//! From text to data: YAML and JSON through one event parser, into a [`Value`] and the place of
//! each of its nodes. Knows nothing of workflows.
//!
//! Everything is bounded before it is built: bytes, depth, nodes and text after aliases are
//! expanded. The event parser keeps its own stack on the heap, so that depth is ours to bound.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::findings::{Findings, shown};
use super::scalar::{self, CoreTag};
use super::{Diagnostic, Severity, codes};
use crate::limits;

/// A place in the source, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    const START: Self = Self { line: 1, column: 1 };

    fn of(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// Where each node of a document stands in its source.
#[derive(Debug, Clone)]
pub struct Positions(Place);

impl Positions {
    /// Where the value at a JSON pointer begins. A pointer that leads nowhere gives the place of
    /// the nearest node above it.
    #[must_use]
    pub fn value(&self, pointer: &str) -> Position {
        self.0.find(pointer).at
    }

    /// Where the key of the node at a JSON pointer stands; that of the value where it has no key.
    #[must_use]
    pub fn key(&self, pointer: &str) -> Position {
        let place = self.0.find(pointer);
        place.key.unwrap_or(place.at)
    }

    /// The line on which the text of the string at a JSON pointer begins, so that line `n` of the
    /// text (from 1) is line `text_line + n - 1` of the source. Exact for literal block scalars; a folded or
    /// quoted string that spans lines gives its first one.
    #[must_use]
    pub fn text_line(&self, pointer: &str) -> usize {
        // The event parser places a block scalar at its text, not at its `|`.
        self.value(pointer).line
    }

    pub(super) fn root(&self) -> &Place {
        &self.0
    }
}

/// The place of one node and of what it holds.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) at: Position,
    pub(super) key: Option<Position>,
    children: Children,
}

#[derive(Debug, Clone)]
enum Children {
    None,
    Items(Vec<Place>),
    Fields(HashMap<String, Place>),
}

impl Place {
    fn leaf(at: Position) -> Self {
        Self { at, key: None, children: Children::None }
    }

    pub(super) fn item(&self, index: usize) -> &Self {
        match &self.children {
            Children::Items(items) => items.get(index).unwrap_or(self),
            _ => self,
        }
    }

    pub(super) fn field(&self, name: &str) -> &Self {
        match &self.children {
            Children::Fields(fields) => fields.get(name).unwrap_or(self),
            _ => self,
        }
    }

    fn find(&self, pointer: &str) -> &Self {
        let mut place = self;
        for token in pointer.split('/').skip(1) {
            let name = if token.contains('~') {
                Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(token)
            };
            let next = match &place.children {
                Children::None => None,
                Children::Items(items) => name.parse().ok().and_then(|index: usize| items.get(index)),
                Children::Fields(fields) => fields.get(name.as_ref()),
            };
            match next {
                Some(next) => place = next,
                None => return place,
            }
        }
        place
    }
}

/// A JSON pointer one step further down.
pub(super) fn pointer_to(pointer: &str, token: &str) -> String {
    if token.contains(['~', '/']) {
        format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
    } else {
        format!("{pointer}/{token}")
    }
}

/// Parses a source. Findings that leave a value to look at (a key given twice, a number that is not
/// exact) come with the value; others come without.
pub(super) fn load(source: &str, findings: &mut Findings) -> Option<(Value, Positions)> {
    match Loader::load(source, findings) {
        Ok((value, place)) => Some((value, Positions(place))),
        Err(fatal) => {
            findings.push(*fatal);
            None
        }
    }
}

type Fatal = Box<Diagnostic>;

fn fatal(at: Position, code: &str, message: impl Into<String>) -> Fatal {
    Box::new(Diagnostic {
        path: String::new(),
        line: at.line,
        column: at.column,
        code: code.to_owned(),
        message: message.into(),
        suggestion: None,
        severity: Severity::Error,
    })
}

fn advise(mut fatal: Fatal, suggestion: &str) -> Fatal {
    fatal.suggestion = Some(suggestion.to_owned());
    fatal
}

/// A finished node on its way into the collection that holds it.
struct Node {
    value: Value,
    place: Place,
    /// Nodes and bytes of text in it, itself included, and how deep it goes.
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// What an anchor names.
struct Anchored {
    value: Value,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A collection that is being filled.
struct Frame {
    at: Position,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
    open: Open,
}

enum Open {
    Items(Vec<Value>, Vec<Place>),
    Fields { values: Map<String, Value>, places: HashMap<String, Place>, key: Option<(String, Position)> },
}

struct Loader<'f> {
    findings: &'f mut Findings,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
    /// What has been built in all, copies for anchors included.
    nodes: usize,
    bytes: usize,
}

impl<'f> Loader<'f> {
    fn load(source: &str, findings: &'f mut Findings) -> Result<(Value, Place), Fatal> {
        if source.len() > limits::DOCUMENT_BYTES {
            let message =
                format!("the document has {} bytes; at most {} are taken", source.len(), limits::DOCUMENT_BYTES);
            return Err(fatal(Position::START, codes::LIMIT_EXCEEDED, message));
        }
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        if let Some(at) = source.find('\0') {
            return Err(fatal(position_of(source, at), codes::INVALID_CHARACTER, "NUL characters are not taken"));
        }
        let text = with_whole_characters(source);
        let mut loader = Self { findings, frames: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0, bytes: 0 };
        let mut documents = 0;
        let mut parser = Parser::new_from_str(&text);
        while let Some(event) = parser.next_event() {
            let (event, span) =
                event.map_err(|e| fatal(Position::of(e.marker()), codes::SYNTAX, plain_words(e.info())))?;
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
                if documents > 1 {
                    let error = fatal(Position::of(&span.start), codes::SYNTAX, "a second document begins here");
                    return Err(advise(error, "one workflow is one document; put the other one into its own file"));
                }
            }
            loader.take(event, span)?;
        }
        match loader.root {
            Some(node) if !node.value.is_null() => Ok((node.value, node.place)),
            _ => Err(advise(
                fatal(Position::START, codes::EMPTY_DOCUMENT, "the document is empty"),
                "a workflow needs at least `workflow: name` and `steps:`",
            )),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        let at = Position::of(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at)?;
                self.open(anchor, at, Open::Items(Vec::new(), Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", at)?;
                self.open(anchor, at, Open::Fields { values: Map::new(), places: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), Fatal> {
        if text.contains('\0') {
            return Err(fatal(at, codes::INVALID_CHARACTER, "NUL characters are not taken"));
        }
        let plain = style == ScalarStyle::Plain;
        if let Some(Open::Fields { key: key @ None, .. }) = self.frames.last_mut().map(|f| &mut f.open) {
            if plain && text == "<<" {
                let error = fatal(at, codes::SYNTAX, "merge keys (`<<`) are not part of YAML 1.2");
                return Err(advise(error, "write the fields out, or give the whole value an anchor and an alias"));
            }
            *key = Some((text.to_owned(), at));
            return self.count(0, text.len(), at);
        }
        let core = match tag {
            None => None,
            Some(tag) if tag.is_yaml_core_schema() && CoreTag::of(&tag.suffix).is_some() => CoreTag::of(&tag.suffix),
            Some(tag) => return Err(unknown_tag(tag, at)),
        };
        let value = match scalar::resolve(text, plain, core) {
            Ok(value) => value,
            Err(scalar::Problem::Tag(message)) => return Err(fatal(at, codes::SYNTAX, message)),
            Err(scalar::Problem::NotExact(message)) => {
                let mut finding = *fatal(at, codes::NUMBER_NOT_EXACT, format!("{message}: {}", shown(text)));
                finding.path = self.pointer();
                finding.suggestion = Some("quote it to keep it as text".to_owned());
                self.findings.push(finding);
                Value::String(text.to_owned())
            }
        };
        let bytes = if value.is_string() { text.len() } else { 0 };
        self.count(1, bytes, at)?;
        self.finish(Node { value, place: Place::leaf(at), nodes: 1, bytes, height: 0 }, anchor)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Fatal> {
        if let Some(Open::Fields { key: None, .. }) = self.frames.last().map(|f| &f.open) {
            return Err(fatal(at, codes::SYNTAX, "an alias cannot be a key"));
        }
        let Some(Anchored { nodes, bytes, height, .. }) = self.anchors.get(&anchor) else {
            return Err(fatal(at, codes::SYNTAX, "an alias cannot stand inside what it names"));
        };
        let (nodes, bytes, height) = (*nodes, *bytes, *height);
        self.count(nodes, bytes, at)?;
        self.check_depth(self.frames.len() + height, at)?;
        let Some(value) = self.anchors.get(&anchor).map(|a| a.value.clone()) else { return Ok(()) };
        self.finish(Node { value, place: Place::leaf(at), nodes, bytes, height }, 0)
    }

    fn open(&mut self, anchor: usize, at: Position, open: Open) -> Result<(), Fatal> {
        if let Some(Open::Fields { key: None, .. }) = self.frames.last().map(|f| &f.open) {
            return Err(fatal(at, codes::SYNTAX, "a key must be text"));
        }
        self.count(1, 0, at)?;
        self.check_depth(self.frames.len() + 1, at)?;
        self.frames.push(Frame { at, anchor, nodes: 1, bytes: 0, height: 1, open });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Fatal> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let (value, children) = match frame.open {
            Open::Items(values, places) => (Value::Array(values), Children::Items(places)),
            Open::Fields { values, places, .. } => (Value::Object(values), Children::Fields(places)),
        };
        let place = Place { at: frame.at, key: None, children };
        let node = Node { value, place, nodes: frame.nodes, bytes: frame.bytes, height: frame.height };
        self.finish(node, frame.anchor)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, mut node: Node, anchor: usize) -> Result<(), Fatal> {
        if anchor > 0 {
            self.count(node.nodes, node.bytes, node.place.at)?;
            let Node { nodes, bytes, height, .. } = node;
            self.anchors.insert(anchor, Anchored { value: node.value.clone(), nodes, bytes, height });
        }
        let pointer = if let Some(Open::Fields { values, key: Some((key, _)), .. }) =
            self.frames.last().map(|f| &f.open)
            && values.contains_key(key)
        {
            Some(self.pointer())
        } else {
            None
        };
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.nodes += node.nodes;
        frame.bytes += node.bytes;
        frame.height = frame.height.max(node.height + 1);
        match &mut frame.open {
            Open::Items(values, places) => {
                values.push(node.value);
                places.push(node.place);
            }
            Open::Fields { values, places, key } => {
                let Some((name, at)) = key.take() else { return Ok(()) };
                if let Some(pointer) = pointer {
                    let first = places.get(&name).and_then(|p| p.key).unwrap_or(at);
                    let message = format!("the key {} was already given on line {}", shown(&name), first.line);
                    let mut finding = *fatal(at, codes::DUPLICATE_KEY, message);
                    finding.path = pointer;
                    self.findings.push(finding);
                    return Ok(());
                }
                frame.bytes += name.len();
                node.place.key = Some(at);
                places.insert(name.clone(), node.place);
                values.insert(name, node.value);
            }
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > limits::DOCUMENT_NODES {
            let message =
                format!("the document has more than {} values, aliases counted in full", limits::DOCUMENT_NODES);
            return Err(fatal(at, codes::LIMIT_EXCEEDED, message));
        }
        if self.bytes > limits::DOCUMENT_TEXT_BYTES {
            let message = format!(
                "the document has more than {} bytes of text, aliases counted in full",
                limits::DOCUMENT_TEXT_BYTES
            );
            return Err(fatal(at, codes::LIMIT_EXCEEDED, message));
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize, at: Position) -> Result<(), Fatal> {
        if depth > limits::DOCUMENT_DEPTH {
            let message = format!("the document is nested deeper than {} levels", limits::DOCUMENT_DEPTH);
            return Err(fatal(at, codes::LIMIT_EXCEEDED, message));
        }
        Ok(())
    }

    fn collection_tag(&self, tag: Option<&Tag>, expected: &str, at: Position) -> Result<(), Fatal> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => Err(unknown_tag(tag, at)),
            _ => Ok(()),
        }
    }

    /// The JSON pointer of the node that is being read.
    fn pointer(&self) -> String {
        self.frames.iter().fold(String::new(), |pointer, frame| match &frame.open {
            Open::Items(values, _) => pointer_to(&pointer, &values.len().to_string()),
            Open::Fields { key: Some((key, _)), .. } => pointer_to(&pointer, key),
            Open::Fields { key: None, .. } => pointer,
        })
    }
}

fn unknown_tag(tag: &Tag, at: Position) -> Fatal {
    let error = fatal(at, codes::SYNTAX, format!("the tag {} has no meaning here", shown(&tag.to_string())));
    advise(error, "leave it out; quote text that begins with `!`")
}

fn position_of(source: &str, byte: usize) -> Position {
    let before = source.get(..byte).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}

/// The parser's own sentences begin with where it was; people want what is wrong.
fn plain_words(info: &str) -> String {
    let mut chars = info.chars();
    match chars.next() {
        Some(first) if info.len() < 300 => format!("this is not YAML or JSON: {}{}", first, chars.as_str()),
        _ => "this is not YAML or JSON".to_owned(),
    }
}

/// JSON writes characters beyond the basic plane as a pair of escapes (`\ud83d\ude00`), which YAML
/// does not know. In a source that is JSON, such pairs become YAML's one long escape.
fn with_whole_characters(source: &str) -> Cow<'_, str> {
    let is_json = source.trim_start().starts_with(['{', '['])
        && (source.contains("\\ud") || source.contains("\\uD"))
        && serde_json::from_str::<IgnoredAny>(source).is_ok();
    if !is_json {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let unit = |from: usize| {
            let text = escape.get(from..from + 6)?;
            u32::from_str_radix(text.strip_prefix("\\u")?, 16).ok()
        };
        if let (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) = (unit(0), unit(6)) {
            out.push_str(&format!("\\U{:08X}", 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
            rest = &escape[12..];
        } else {
            // In valid JSON a backslash is always followed by one ASCII character of its escape.
            let end = escape.len().min(2);
            out.push_str(&escape[..end]);
            rest = &escape[end..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
