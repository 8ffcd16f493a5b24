//! Bounds of the pages on which executions, queues, the inbox and the audit log are looked at.

use std::time::Duration;

/// Dead letters that are read to be grouped by what failed, the newest of them.
pub const DEAD_LETTERS_GROUPED: u64 = 5_000;
/// Characters of an item's error that lists and groups are made of.
pub const OUTBOX_ERROR_SHOWN_CHARS: usize = 500;
/// Rows that pages of the admin count; where there are more they say so.
pub const ADMIN_COUNTED: u64 = 10_000;
/// Requests that one look into the inbox goes through, the newest first; older ones are on the pages
/// behind.
pub const INBOX_LOOKED_AT: u64 = 20_000;
/// Executions of one event that are shown with it.
pub const EVENT_EXECUTIONS: u64 = 50;
/// Live workflows that are looked through for what names a secret or a connection.
pub const REFERRING_WORKFLOWS: usize = 50;
/// Entries of the audit log that one look goes through, the newest first.
pub const AUDIT_LOOKED_AT: i64 = 20_000;
/// Entries of one export of the audit log.
pub const AUDIT_EXPORTED: usize = 100_000;
/// Findings that the entry about a check of the audit log names; the others are counted.
pub const AUDIT_FINDINGS_NAMED: usize = 20;
/// How long a page waits for a check of the audit log; a longer one goes on behind it.
pub const AUDIT_VERIFY_PAGE: Duration = Duration::from_secs(5);
/// Results of each kind that the palette shows.
pub const PALETTE_RESULTS: u64 = 5;
/// How long the palette waits for rows of models.
pub const PALETTE_PATIENCE: Duration = Duration::from_millis(800);
/// How old the count of dead letters beside the navigation may be.
pub const NAV_COUNTS_AGE: Duration = Duration::from_secs(10);
/// Executions that one search looks at, where no index answers it; looking on is another search.
pub const SEARCHED_EXECUTIONS: u64 = 20_000;
/// What a number on a page is counted to; further it says "and more".
pub const COUNTED_SHOWN: u64 = 10_000;
/// Executions of one minute that the overview counts.
pub const COUNTED_PER_MINUTE: u64 = 2_000;
/// Executions of one minute of which the overview looks how long they took.
pub const TIMED_PER_MINUTE: u64 = 40;
/// Failed executions, the newest ones, that the overview groups by their error.
pub const GROUPED_FAILURES: u64 = 500;
/// Nodes of a picture on a page beyond which steps are drawn together.
pub const GRAPH_NODES_SHOWN: usize = 250;
/// Nodes of which a picture is drawn at all.
pub const GRAPH_NODES_DRAWN: usize = 1_000;
/// How deep a value is made up that stands in for an answer in a test.
pub const SAMPLE_DEPTH: usize = 8;
/// Bytes of the answers that a test is given for its steps, as JSON.
pub const TEST_ANSWERS_BYTES: usize = 64 * 1024;
/// Pictures of versions kept laid out in memory.
pub const GRAPHS_KEPT: usize = 128;
/// Newest executions of a workflow of which lists say how many failed.
pub const RECENT_EXECUTIONS: u64 = 100;
/// Newest executions of a workflow among which those of one version are looked for.
pub const VERSION_EXECUTIONS: u64 = 1_000;
/// Choices of a list's filters whose rows are counted, on one page.
pub const FACETS: usize = 60;
/// Statements in which they are counted: one where each is quick; more where one takes too long.
pub const FACET_STATEMENTS: u32 = 5;
/// How long they are counted, together; what was not counted by then is left out.
pub const FACET_TIME: Duration = Duration::from_millis(100);
/// Bytes of a file that is imported; the form that it comes in may have twice as many.
pub const IMPORT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a file that is too long to be imported which are read and dropped, so that whoever sends it
/// gets an answer.
pub const IMPORT_DROPPED_BYTES: usize = 64 * 1024 * 1024;
/// Rows of a table from which on a search that reads all of them is told of.
pub const SEARCHED_ROWS: u64 = 100_000;
