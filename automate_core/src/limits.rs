//! Every bound, in one place. A queue, a body, a loop, a template or a wait without a line here is
//! a defect.

mod pages;
mod people;

use std::time::Duration;

pub use pages::*;
pub use people::*;

/// Bytes of a workflow document.
pub const DOCUMENT_BYTES: usize = 1024 * 1024;
/// Levels of nesting of a workflow document.
pub const DOCUMENT_DEPTH: usize = 64;
/// Nodes of a workflow document after aliases are expanded.
pub const DOCUMENT_NODES: usize = 200_000;
/// Bytes of all strings of a workflow document after aliases are expanded.
pub const DOCUMENT_TEXT_BYTES: usize = 4 * DOCUMENT_BYTES;
/// Findings about one document that are listed; further ones are counted.
pub const DOCUMENT_FINDINGS: usize = 10_000;
/// Names of steps that are compared to find what a wrong one was meant to be.
pub const DOCUMENT_NAMES_COMPARED: usize = 30_000;
/// Steps of a workflow, nested ones included.
pub const STEPS_PER_WORKFLOW: usize = 5_000;
/// Drafts of one workflow that are kept because they were tested.
pub const TESTED_DRAFTS: u64 = 100;
/// How long a draft that was tested is kept at least, whether an execution needs it or not: longer than
/// anything can take between keeping the draft and storing its execution.
pub const TESTED_DRAFT_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Triggers of a workflow.
pub const TRIGGERS_PER_WORKFLOW: usize = 100;
/// Secrets of one webhook that may be valid at the same time, while they are rotated.
pub const WEBHOOK_SECRETS: usize = 8;
/// How far a webhook's timestamp may be allowed to be from now.
pub const WEBHOOK_TOLERANCE: Duration = Duration::from_secs(3600);
/// Bytes of a webhook's path, of an event's type and of a pattern for one.
pub const TRIGGER_NAME_BYTES: usize = 200;
/// Nodes, bends of edges included, up to which a graph's edges are led around its nodes.
pub const GRAPH_BENDS: usize = 20_000;
/// Attempts of a step that `retry.max_attempts` may ask for.
pub const MAX_ATTEMPTS: u32 = 100;
/// Attempts kept in the history of a step; older ones are dropped from its row.
pub const ATTEMPTS_KEPT: usize = 50;
/// The longest wait, retry delay and timeout.
pub const MAX_WAIT: Duration = Duration::from_secs(5 * 366 * 24 * 3600);
/// The longest `Retry-After` that is honoured; a longer one is cut to it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The timeout of a step that names none.
pub const DEFAULT_STEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a template's source.
pub const TEMPLATE_SOURCE_BYTES: usize = 16 * 1024;
/// Bytes that a template may render to, and of any string made inside one.
pub const TEMPLATE_OUTPUT_BYTES: usize = 1024 * 1024;
/// Steps of minijinja's virtual machine for one template.
pub const TEMPLATE_FUEL: u64 = 100_000;
/// Nesting inside a template.
pub const TEMPLATE_RECURSION: usize = 64;
/// Wall-clock time of one template.
pub const TEMPLATE_TIME: Duration = Duration::from_millis(250);
/// Wall-clock time of all templates of one value, such as the `with` of a step.
pub const TEMPLATE_VALUE_TIME: Duration = Duration::from_secs(1);
/// Bytes that one template may make in memory, over all the values in between.
pub const TEMPLATE_MEMORY_BYTES: usize = 16 * 1024 * 1024;
/// Items of a list that a filter may be given or may make.
pub const TEMPLATE_ITEMS: usize = 100_000;
/// Operators, attribute accesses and filters that may follow from one another in one expression.
pub const TEMPLATE_CHAIN: usize = 200;
/// Statements (`for`, `if`, `set`, …) of one template.
pub const TEMPLATE_STATEMENTS: usize = 256;
/// Bytes of one gzipped piece of a text that a scrubber looks into.
pub const SCRUBBED_PACKED_BYTES: usize = 256 * 1024;
/// Secrets whose values a scrubber looks for; beyond it the oldest are no longer looked for.
pub const SCRUBBED_SECRETS: usize = 4_096;

/// Bytes of a webhook's body, unless configured otherwise.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Levels of nesting of a JSON payload.
pub const JSON_DEPTH: usize = 64;
/// Keys of a JSON payload, over all objects.
pub const JSON_KEYS: usize = 10_000;
/// Bytes of a step's output as JSON.
pub const STEP_OUTPUT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a log line of a step.
pub const LOG_MESSAGE_BYTES: usize = 16 * 1024;
/// Log lines kept of one attempt of a step.
pub const LOG_LINES_PER_ATTEMPT: usize = 1_000;
/// Bytes of a decompressed answer to an outgoing call.
pub const RESPONSE_BYTES: usize = 10 * 1024 * 1024;
/// Bytes of one line of a stream of server-sent events that comes in.
pub const SSE_LINE_BYTES: usize = 1024 * 1024;
/// Bytes of one event of a stream of server-sent events that comes in.
pub const SSE_EVENT_BYTES: usize = 2 * 1024 * 1024;
/// Messages of one request to a language model.
pub const LLM_MESSAGES: usize = 1_000;
/// Bytes of all messages and tools of one request to a language model.
pub const LLM_PROMPT_BYTES: usize = 4 * 1024 * 1024;
/// Tools that one request to a language model may offer, and calls that one answer may make.
pub const LLM_TOOLS: usize = 128;
/// Bytes of a JSON Schema that a language model's answer must satisfy.
pub const LLM_SCHEMA_BYTES: usize = 64 * 1024;
/// How often a language model may be asked to correct an answer.
pub const LLM_REPAIRS: u32 = 5;
/// Tokens of an answer that are reserved of a budget where a request names no bound.
pub const LLM_OUTPUT_TOKENS: u64 = 4_096;
/// Tokens that one request to a language model may ask for, and that one answer is believed to have
/// taken.
pub const LLM_TOKENS: u64 = 100_000_000;
/// Lines that a streamed answer writes to the log of its step.
pub const LLM_PROGRESS_LINES: u32 = 50;
/// Configured providers.
pub const PROVIDERS: usize = 100;
/// The most a webhook's body limit may be configured to, in bytes.
pub const BODY_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Bytes of a configuration file.
pub const CONFIG_BYTES: usize = 1024 * 1024;
/// Rules of `egress.allow`.
pub const EGRESS_RULES: usize = 1_000;
/// How long an outgoing connection may take to be made.
pub const EGRESS_CONNECT: Duration = Duration::from_secs(5);
/// Redirects that an outgoing call may ask to follow.
pub const EGRESS_REDIRECTS: u8 = 3;
/// Addresses of a name that are looked at; a name with more is refused.
pub const EGRESS_ADDRESSES: usize = 64;
/// Bytes of the URL of an outgoing call.
pub const EGRESS_URL_BYTES: usize = 8 * 1024;
/// Headers of a response to an outgoing call.
pub const EGRESS_RESPONSE_HEADERS: usize = 200;
/// Ports for which outgoing connections are pooled at once.
pub const EGRESS_POOLS: usize = 64;
/// Idle outgoing connections kept to one host.
pub const EGRESS_IDLE_PER_HOST: usize = 16;
/// How long an idle outgoing connection is kept.
pub const EGRESS_IDLE: Duration = Duration::from_secs(60);
/// Bytes of one secret's value.
pub const SECRET_BYTES: usize = 64 * 1024;
/// Bytes of the text of a mounted file that holds a secret, its line break included.
pub const SECRET_FILE_BYTES: u64 = SECRET_BYTES as u64 + 2;
/// Files of mounted secrets that `doctor` looks at.
pub const SECRET_FILES: usize = 10_000;
/// Bytes of one answer of Vault: a value in JSON, where each byte may take six, with what is around it.
pub const VAULT_RESPONSE_BYTES: usize = 1024 * 1024;
/// How long one call to Vault may take.
pub const VAULT_TIMEOUT: Duration = Duration::from_secs(4);
/// The time between two log-ins to Vault, at least; what fails until then fails without a call.
pub const VAULT_LOGIN_PAUSE: Duration = Duration::from_secs(2);
/// The time after which a log-in to Vault, or the renewal of its token, that failed is tried again.
pub const VAULT_RETRY: Duration = Duration::from_secs(10);
/// Readings of secrets that wait to be recorded; beyond it they are counted and lost.
pub const SECRET_READS_PENDING: usize = 65_536;
/// Readings of secrets that are recorded at once.
pub const SECRET_READS_BATCH: usize = 16_384;
/// Times that a batch of readings is offered before it is given up.
pub const SECRET_READS_TRIES: u32 = 5;
/// The first pause between two such tries; each is twice as long as the one before.
pub const SECRET_READS_PAUSE: Duration = Duration::from_millis(200);
/// How long a process that stops waits for its last readings of secrets to be recorded.
pub const SECRET_READS_CLOSE: Duration = Duration::from_secs(5);
/// Secrets kept in memory by the cache of the secrets chain.
pub const SECRET_CACHE: usize = 10_000;
/// Versions kept of one secret; older ones are deleted when a new one is made.
pub const SECRET_VERSIONS: i32 = 100;
/// Secrets of one tenant.
pub const SECRETS_PER_TENANT: u64 = 10_000;
/// Stored secret versions that one step of a rotation of the master key reads.
pub const ROTATION_PAGE: u64 = 100;
/// Master keys that are tried: the current one and those before it.
pub const MASTER_KEYS: usize = 16;
/// Executions that one event may start.
pub const STARTS_PER_EVENT: usize = 1_000;
/// How deep events that come from executions may start further executions.
pub const EVENT_CHAIN_DEPTH: u32 = 16;

/// Signals that one execution may be sent over its life.
pub const SIGNALS_PER_EXECUTION: i32 = 256;
/// Bytes of a signal's payload as JSON.
pub const SIGNAL_BYTES: usize = 256 * 1024;
/// Bytes of a signal's dedupe key and of the word for its sender.
pub const SIGNAL_KEY_BYTES: usize = 256;
/// Ready items that are counted before an execution in the queue.
pub const QUEUE_PLACES: u64 = 10_000;
/// Executions of one bulk operation.
pub const BULK_EXECUTIONS: u64 = 100_000;
/// Executions that a selection may name by their ids.
pub const BULK_IDS: usize = 1_000;
/// Executions that the preview of a bulk operation shows.
pub const BULK_SAMPLE: usize = 10;
/// Executions whose steps the preview of a bulk operation looks at.
pub const BULK_LOOKED_AT: u64 = 1_000;
/// Executions a second of a bulk operation that names no rate.
pub const BULK_RATE: u32 = 20;
/// The highest rate that a bulk operation may ask for.
pub const BULK_RATE_MAX: u32 = 1_000;
/// Executions that a worker reads of a bulk operation at a time.
pub const BULK_PAGE: usize = 100;

/// Headers of a request.
pub const HEADER_COUNT: usize = 100;
/// Bytes of all headers of a request, names and values.
pub const HEADER_BYTES: usize = 32 * 1024;
/// Bytes of a request's target.
pub const URI_BYTES: usize = 8 * 1024;
/// How long a client may take for the head of a request, and may idle between two.
pub const HEADER_READ: Duration = Duration::from_secs(10);
/// How long a client may take for the body of a request.
pub const BODY_READ: Duration = Duration::from_secs(30);
/// Bytes of request bodies in memory at once, over all requests.
pub const BODY_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;
/// Requests that are worked on at once; beyond it the answer is 503.
pub const REQUESTS_IN_FLIGHT: usize = 4_096;
/// Open connections.
pub const CONNECTIONS: usize = 8_192;
/// Open connections of one address (of one /64 with IPv6).
pub const CONNECTIONS_PER_ADDRESS: usize = 1_024;
/// How long an HTTP/2 connection without a request is kept.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(60);
/// Requests at once on one HTTP/2 connection.
pub const STREAMS_PER_CONNECTION: u32 = 128;
/// How long a closed connection is read on, so that the answer is not lost in a reset.
pub const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read and dropped while lingering.
pub const LINGER_BYTES: usize = 4 * 1024 * 1024;
/// Signatures of one webhook delivery that are looked at.
pub const WEBHOOK_SIGNATURES: usize = 8;
/// Bytes of a delivery's id.
pub const DELIVERY_ID_BYTES: usize = 256;
/// How long `?wait=true` waits where `timeout` is not given.
pub const HOOK_WAIT: Duration = Duration::from_secs(30);
/// The longest `timeout` of `?wait=true`.
pub const HOOK_WAIT_MAX: Duration = Duration::from_secs(60);
/// Requests that wait for their execution at once; beyond it they are answered at once with 202.
pub const HOOK_WAITERS: usize = 1_024;
/// Bytes of a refused request's body that the inbox keeps.
pub const INBOX_BODY_BYTES: usize = 64 * 1024;
/// Bytes of a request's headers that the inbox and the event keep.
pub const INBOX_HEADER_BYTES: usize = 32 * 1024;
/// Refused requests that are recorded in a second; the others are only counted.
pub const REFUSALS_PER_SECOND: u32 = 50;
/// Refused requests that wait to be recorded.
pub const REFUSALS_PENDING: usize = 64;
/// How old the facts of `/readyz` and `/metrics` may be; they are asked for once in that time.
pub const PROBE_AGE: Duration = Duration::from_secs(1);
/// How long `/readyz` and `/metrics` wait for the database.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Operations that may wait for the group commit; beyond it the caller gets `Busy`.
pub const COMMIT_QUEUE: usize = 8_192;
/// Operations in one group commit.
pub const COMMIT_BATCH: usize = 512;
/// The deadline of one database operation.
pub const DATABASE_TIMEOUT: Duration = Duration::from_secs(10);
/// Losses of a lease in a row after which an item is quarantined that its worker held alone.
pub const LOST_LEASES: i32 = 3;
/// Losses of a lease in a row after which an item is quarantined whatever else was lost with it.
pub const LOST_LEASES_IN_COMPANY: i32 = 6;
/// The time between items that are given back after too many losses in company, so that what kills
/// workers and what was only held beside it part.
pub const SUSPECTS_APART: Duration = Duration::from_millis(500);
/// Places of that spacing; further items share the last one.
pub const SUSPECTS_SPACED: u32 = 120;

/// Items in one claim, one statement of the queue or one run of the reaper.
pub const OUTBOX_BATCH: usize = 1_000;
/// Items in one page of a list for operators.
pub const OUTBOX_PAGE: usize = 200;
/// Bytes of an item's kind.
pub const OUTBOX_KIND_BYTES: usize = 128;
/// Bytes of an item's key; both databases index it.
pub const OUTBOX_KEY_BYTES: usize = 1_024;
/// Bytes of an item's payload as JSON.
pub const OUTBOX_PAYLOAD_BYTES: usize = 1024 * 1024;
/// Items of a tenant that are counted; further ones are not.
pub const COUNTED_ITEMS: u64 = 100_000;
/// Executions of a tenant in one state, and of the last hour, that are counted; further ones are not.
pub const COUNTED_EXECUTIONS: u64 = 20_000;
/// Bytes kept of an item's last error.
pub const OUTBOX_ERROR_BYTES: usize = 4 * 1024;

/// Bytes of what changed, in one entry of the audit log; a longer one is said to be cut.
pub const AUDIT_CHANGES_BYTES: usize = 64 * 1024;
/// Characters of the other texts of an entry.
pub const AUDIT_TEXT_CHARS: usize = 512;
/// Entries that the verifier reads at once.
pub const AUDIT_PAGE: usize = 1_000;
/// Findings of one chain that the verifier tells.
pub const AUDIT_FINDINGS: usize = 1_000;
/// How long the verifier may take.
pub const AUDIT_VERIFY: Duration = Duration::from_secs(3600);
/// Rules of a tenant's policy, over all of its lists.
pub const POLICY_RULES: usize = 1_000;
/// How old a tenant's policy in memory may be: a change takes effect on every node within it.
pub const POLICY_AGE: Duration = Duration::from_secs(5);
/// How old the count of what a tenant has used may be.
pub const USAGE_AGE: Duration = Duration::from_secs(1);
/// Executions that a report of a tenant's usage counts; there are more where it says so many.
pub const USAGE_COUNTED: i64 = 1_000_000;
/// Days of a report of a tenant's usage, today included.
pub const USAGE_DAYS: u64 = 30;
/// Tenants whose policies and counts are kept in memory.
pub const POLICIES_KEPT: usize = 10_000;
/// Refusals of policies that wait to be audited.
pub const POLICY_REFUSALS: usize = 256;
/// Rate buckets that a process knows.
pub const RATE_BUCKETS: usize = 20_000;
/// How long a process keeps tokens that it drew out of a shared bucket, and a bucket nobody asks for.
pub const RATE_BUCKET_IDLE: Duration = Duration::from_secs(60);

/// Rows of a page where `limit` is not given.
pub const LIST_LIMIT: u64 = 50;
/// Rows of a page at most.
pub const LIST_LIMIT_MAX: u64 = 200;
/// Rows that `offset` may pass over; the database reads them all. Cursors have no such bound.
pub const LIST_OFFSET_MAX: u64 = 100_000;
/// Parameters of a list.
pub const LIST_PARAMETERS: usize = 64;
/// Values of one `…__in`; as many ids fit into a request's target.
pub const LIST_IN: usize = 200;
/// Characters of one value of an `…__in`.
pub const LIST_IN_CHARS: usize = 200;
/// Columns of one `ordering`.
pub const LIST_ORDERINGS: usize = 4;
/// Words of one `search`.
pub const LIST_SEARCH_TERMS: usize = 8;
/// Characters of one value of a filter, and of a search.
pub const LIST_VALUE_CHARS: usize = 1_000;
/// Characters of a cursor; it must fit into a request's target.
pub const LIST_CURSOR_CHARS: usize = 3_000;
/// Related models that one answer shows.
pub const LIST_EXPANSIONS: usize = 4;
/// Related rows that one answer shows, of one expansion.
pub const EXPANSION_ROWS: u64 = 20_000;
/// Bytes of long columns in one page, and in one expansion. A page ends early, though not before
/// its first row; of an expansion, fewer rows must be asked for.
pub const PAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Rows that one request names by their ids.
pub const IDS_PER_REQUEST: usize = 200;
/// Characters of a field whose model does not say.
pub const FIELD_CHARS: usize = 4_096;
/// Bytes of a JSON field whose model does not say.
pub const FIELD_JSON_BYTES: usize = 256 * 1024;
/// Faults of one input that are told.
pub const FIELD_PROBLEMS: usize = 100;
/// Characters of a value in the changes of an audit entry.
pub const AUDIT_VALUE_CHARS: usize = 1_000;

/// Characters of the name of a person, a group, a token or a tenant.
pub const PERSON_NAME_CHARS: usize = 150;
/// Characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes of a password.
pub const PASSWORD_BYTES: usize = 1_024;
/// Passwords that are hashed at once; each takes 19 MiB.
pub const PASSWORD_HASHES: usize = 4;
/// How long a log-in waits for its turn to be hashed.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(5);
/// Failed log-ins in a row to one account that are free of delay.
pub const LOGIN_FAILURES_PER_ACCOUNT: i32 = 5;
/// Failed log-ins in a row from one address (of one /64 with IPv6) that are free of delay.
pub const LOGIN_FAILURES_PER_ADDRESS: i32 = 20;
/// The longest delay after a failed log-in; it doubles from a second.
pub const LOGIN_DELAY: Duration = Duration::from_secs(900);
/// After this long without a failure, earlier ones are forgotten.
pub const LOGIN_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// How long a log-in at a provider, or before its second factor, may take.
pub const LOGIN_FLOW: Duration = Duration::from_secs(600);
/// Log-ins that are under way at once; beyond it the oldest are dropped.
pub const LOGIN_FLOWS: u64 = 10_000;
/// Recovery codes that are made with a second factor.
pub const RECOVERY_CODES: usize = 10;
/// How long a set-up link is good for.
pub const SETUP_LINK: Duration = Duration::from_secs(24 * 3600);
/// How long it may take until a process notices that a session, a token or a permission is gone.
pub const IDENTITY_AGE: Duration = Duration::from_secs(3);
/// Sessions and tokens whose facts are kept in memory for that long.
pub const IDENTITY_CACHE: usize = 10_000;
/// How exact `last_seen_at` and `last_used_at` are.
pub const IDENTITY_TOUCH: Duration = Duration::from_secs(60);
/// Such updates that are under way at once; others are left to the next request.
pub const IDENTITY_TOUCHES: usize = 16;
/// Sessions of one user; a further log-in ends the oldest.
pub const SESSIONS_PER_USER: u64 = 100;
/// Tokens of one user that are not revoked.
pub const TOKENS_PER_USER: u64 = 1_000;
/// Scopes of a token.
pub const SCOPES_PER_TOKEN: usize = 200;
/// Bytes of a scope.
pub const SCOPE_BYTES: usize = 200;
/// Groups of a user, permissions of a user, and permissions of a group.
pub const GRANTS: usize = 1_000;
/// Identity providers that are configured.
pub const IDENTITY_PROVIDERS: usize = 50;
/// Bytes of a provider's answer.
pub const PROVIDER_BYTES: usize = 256 * 1024;
/// How long a provider may take to answer.
pub const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider's description and keys are kept.
pub const PROVIDER_AGE: Duration = Duration::from_secs(3600);
/// How soon a provider's keys are asked for again for the sake of a key that was not among them.
pub const PROVIDER_KEYS_AGAIN: Duration = Duration::from_secs(60);
/// How far a provider's clock may be from ours.
pub const PROVIDER_CLOCK: Duration = Duration::from_secs(60);
/// How long readings of secrets are gathered before they are recorded.
pub const SECRET_READS_GATHER: Duration = Duration::from_millis(500);
/// Readers that one entry about readings of a secret names; the others are counted.
pub const SECRET_READERS_NAMED: usize = 500;

/// How long an operation of the API may take; beyond it the client is told to ask again, and the
/// work goes on to its end.
pub const OPERATION_TIME: Duration = Duration::from_secs(30);
/// Characters of the name of a connection.
pub const CONNECTION_NAME_CHARS: usize = 64;
/// How long the test of a connection may take.
pub const CONNECTION_TEST: Duration = Duration::from_secs(10);
/// How long a request to check the audit log may take; longer logs are checked by the command line.
pub const AUDIT_VERIFY_REQUEST: Duration = Duration::from_secs(120);
/// Pairs of a query.
pub const QUERY_PAIRS: usize = 100;
/// Characters of a parameter that is text.
pub const PARAMETER_CHARS: usize = 1_000;
/// Bytes of a parameter in a path.
pub const PATH_PARAMETER_BYTES: usize = 200;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long answers are kept for repeated requests.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long after its start a request without an answer is taken to be lost, and may be repeated.
pub const IDEMPOTENCY_LOST: Duration = Duration::from_secs(300);
/// Expired keys that are deleted at once.
pub const IDEMPOTENCY_PURGE: i64 = 1_000;
/// Bytes of an answer that is kept for repeated requests; of a longer one, only that it was given.
pub const IDEMPOTENT_ANSWER_BYTES: usize = 1024 * 1024;
/// Token buckets of a process that has them to itself.
pub const LOCAL_BUCKETS: usize = 100_000;
/// Open streams of server-sent events.
pub const STREAMS: usize = 2_000;
/// Open streams of one tenant.
pub const STREAMS_PER_TENANT: usize = 100;
/// How long a stream is silent at most.
pub const STREAM_HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client waits before it opens a stream again that ended.
pub const STREAM_RETRY: Duration = Duration::from_secs(2);
/// How long a stream stays open; the client opens it again then.
pub const STREAM_TIME: Duration = Duration::from_secs(3600);
/// Rows of a fixture that are read at once.
pub const FIXTURE_PAGE: usize = 500;
/// How long loading a fixture may take.
pub const FIXTURE_TIME: Duration = Duration::from_secs(600);
/// Bytes of a fixture.
pub const FIXTURE_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of the id of a stream's event, as a client sends it back.
pub const STREAM_ID_BYTES: usize = 8 * 1024;
/// Steps whose progress the id of a stream's event tells.
pub const STREAM_STEPS: usize = 100_000;
/// Days that history is kept, at most: a century.
pub const RETENTION_DAYS: u32 = 36_500;

/// Views of one list that somebody keeps.
pub const SAVED_VIEWS_PER_PAGE: usize = 50;
/// Views of one list that are shown to somebody: their own, and those that are shared.
pub const SAVED_VIEWS_SHOWN: usize = 200;
/// Characters of the name of a saved view.
pub const SAVED_VIEW_NAME_CHARS: usize = 100;
/// Characters of what a saved view's address has behind the `?`.
pub const SAVED_VIEW_QUERY_CHARS: usize = 2_000;
/// Characters of the name of a list.
pub const SAVED_VIEW_PAGE_CHARS: usize = 100;
/// Rows of a list of the admin that are counted; more are "10k+".
pub const LISTED_ROWS: u64 = 10_000;
/// How long the rows of a list are counted; their number is left out beyond it.
pub const COUNT_TIME: Duration = Duration::from_secs(2);
/// How long a list of the admin may take to be read; beyond it the page says so.
pub const LIST_TIME: Duration = Duration::from_secs(5);
/// Rows that one run over many rows has.
pub const ADMIN_RUN_ROWS: u64 = 10_000;
/// Rows of a run that are worked on while its page is waited for; longer ones go on behind it.
pub const ADMIN_RUN_AT_ONCE: u64 = 200;
/// Rows of a run that are worked on together.
pub const ADMIN_RUN_BATCH: usize = 50;
/// Runs that a process works on at once, besides those whose pages are waited for.
pub const ADMIN_RUNS_AT_ONCE: usize = 2;
/// How long a run belongs to the process that works on it, without a sign of it.
pub const ADMIN_RUN_LEASE: Duration = Duration::from_secs(60);
/// How often a process looks for runs that nobody works on.
pub const ADMIN_RUN_LOOK: Duration = Duration::from_secs(5);
/// How long a selection waits to be confirmed.
pub const ADMIN_RUN_DRAFT: Duration = Duration::from_secs(24 * 3600);
/// Selections that wait to be confirmed, of one person; the oldest are dropped beyond it.
pub const ADMIN_RUN_DRAFTS: i64 = 20;
/// Rows of a run that its page names, of those that were not done.
pub const ADMIN_RUN_FAILED_SHOWN: u64 = 500;
/// Characters of why something was not done with a row.
pub const ADMIN_RUN_MESSAGE_CHARS: usize = 500;
/// Answers of a picker.
pub const PICKER_ROWS: u64 = 20;
