//! Accepts whose starts have dedupe keys, on PostgreSQL: a few statements for any number of them,
//! in one transaction.
//!
//! A start key must be settled before the delivery key is written, because the delivery remembers
//! which executions it led to. Accepts of one batch that share a key take turns; from the second
//! turn on the key is known, so two or three turns do.

use std::collections::{HashMap, HashSet};

use automate_core::ids::ExecutionId;
use automate_core::store::{Accept, Accepted};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::accepting::{self, First, Key};
use super::accept::{firsts, store};

/// What a turn is about: accepts that share no open key, and those that answer as another of the
/// turn does, because they are the same delivery.
#[derive(Default)]
struct Turn {
    leaders: Vec<usize>,
    followers: Vec<(usize, usize)>,
}

impl Turn {
    fn choose(accepts: &[&Accept], answers: &[Option<Accepted>], known: &HashMap<Key<'_>, ExecutionId>) -> Self {
        let mut turn = Self::default();
        let mut deliveries: HashMap<Key<'_>, usize> = HashMap::new();
        let mut taken: HashSet<Key<'_>> = HashSet::new();
        for (op, accept) in accepts.iter().enumerate().filter(|(op, _)| answers[*op].is_none()) {
            let delivery = Key::of_delivery(accept);
            if let Some(leader) = delivery.as_ref().and_then(|key| deliveries.get(key)) {
                turn.followers.push((op, *leader));
                continue;
            }
            let keys: HashSet<Key<'_>> = accept
                .starts
                .iter()
                .filter_map(|start| Key::of_start(accept.tenant_id, start))
                .filter(|key| !known.contains_key(key))
                .collect();
            if !keys.is_disjoint(&taken) {
                continue;
            }
            taken.extend(keys);
            deliveries.extend(delivery.map(|key| (key, op)));
            turn.leaders.push(op);
        }
        turn
    }
}

/// One accept in its turn.
struct Candidate<'a> {
    op: usize,
    accept: &'a Accept,
    reduced: Accept,
    doubles: HashMap<ExecutionId, ExecutionId>,
    earlier: HashMap<ExecutionId, ExecutionId>,
    won: Vec<(Key<'a>, ExecutionId)>,
}

impl Candidate<'_> {
    fn answer(&self) -> Accepted {
        accepting::with_earlier(self.accept, &self.doubles, &self.earlier)
    }
}

/// Stores accepts, inside the caller's transaction. `again` as for [`store`].
pub(super) async fn store_keyed<'a>(
    conn: &mut PgConnection,
    accepts: &[&'a Accept],
    again: bool,
) -> Result<Vec<Accepted>, sqlx::Error> {
    let mut answers: Vec<Option<Accepted>> = vec![None; accepts.len()];
    let mut known: HashMap<Key<'a>, ExecutionId> = HashMap::new();
    loop {
        let turn = Turn::choose(accepts, &answers, &known);
        if turn.leaders.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        let leaders: Vec<(usize, &'a Accept)> = turn.leaders.iter().map(|op| (*op, accepts[*op])).collect();
        let mut candidates = settle(conn, &leaders, &mut known, again).await?;
        if again {
            // A start key that holds an accept's own execution was written by the try that was not
            // seen, together with all the rest of it.
            candidates.retain(|candidate| {
                let own = candidate.earlier.iter().any(|(start, first)| start == first);
                if own {
                    answers[candidate.op] = Some(candidate.answer());
                }
                !own
            });
        }
        let reduced: Vec<&Accept> = candidates.iter().map(|candidate| &candidate.reduced).collect();
        let stored = store(conn, &reduced, again).await?;
        let mut undone = Vec::new();
        for (candidate, answer) in candidates.iter().zip(stored) {
            answers[candidate.op] = Some(match answer {
                Accepted::Stored { .. } => {
                    known.extend(candidate.won.iter().cloned());
                    let answer = candidate.answer();
                    if !candidate.earlier.is_empty() {
                        remember_delivery(conn, candidate.accept, &answer).await?;
                    }
                    answer
                }
                other => {
                    undone.extend(candidate.won.iter().map(|(key, _)| key.clone()));
                    other
                }
            });
        }
        give_back(conn, &undone).await?;
        for (op, leader) in turn.followers {
            answers[op] = match &answers[leader] {
                Some(Accepted::Stored { event_id, executions }) => Some(
                    First { event_id: *event_id, executions: executions.iter().map(|e| e.id).collect() }.duplicate(),
                ),
                Some(Accepted::Duplicate { event_id, executions }) => {
                    Some(Accepted::Duplicate { event_id: *event_id, executions: executions.clone() })
                }
                Some(Accepted::StaleTriggers) | None => None,
            };
        }
    }
}

/// Takes the start keys of accepts that share none, and says which starts were there before.
async fn settle<'a>(
    conn: &mut PgConnection,
    leaders: &[(usize, &'a Accept)],
    known: &mut HashMap<Key<'a>, ExecutionId>,
    again: bool,
) -> Result<Vec<Candidate<'a>>, sqlx::Error> {
    let mut wanted: Vec<(Key<'a>, Option<Uuid>, ExecutionId)> = Vec::new();
    for (_, accept) in leaders {
        let mut seen = HashSet::new();
        for start in &accept.starts {
            let Some(key) = Key::of_start(accept.tenant_id, start) else { continue };
            if !known.contains_key(&key) && seen.insert(key.clone()) {
                wanted.push((key, accept.event.as_ref().map(|event| event.id.0), start.id));
            }
        }
    }
    wanted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let won = take(conn, &wanted).await?;
    let is_won = |key: &Key<'_>| won.contains(&(key.tenant_id, key.scope.to_string(), key.key.to_owned()));
    let lost: Vec<Key<'a>> = wanted.iter().filter(|(key, ..)| !is_won(key)).map(|(key, ..)| key.clone()).collect();
    if !lost.is_empty() {
        let found = firsts(conn, &lost).await?;
        for key in lost {
            let first = found.get(&(key.tenant_id, key.scope.to_string(), key.key.to_owned()));
            if let Some(id) = first.and_then(|first| first.executions.first()) {
                known.insert(key, *id);
            }
        }
    }
    Ok(leaders
        .iter()
        .map(|&(op, accept)| {
            let (mut reduced, doubles) = accepting::without_inner_doubles(accept);
            let mut candidate_won = Vec::new();
            let mut earlier = HashMap::new();
            for start in accept.starts.iter().filter(|start| !doubles.contains_key(&start.id)) {
                let Some(key) = Key::of_start(accept.tenant_id, start) else { continue };
                if let Some(first) = known.get(&key) {
                    earlier.insert(start.id, *first);
                } else if is_won(&key) {
                    candidate_won.push((key, start.id));
                }
            }
            debug_assert!(again || earlier.iter().all(|(start, first)| start != first), "ids are made once");
            reduced.starts.retain(|start| !earlier.contains_key(&start.id));
            Candidate { op, accept, reduced, doubles, earlier, won: candidate_won }
        })
        .collect())
}

async fn take(
    conn: &mut PgConnection,
    wanted: &[(Key<'_>, Option<Uuid>, ExecutionId)],
) -> Result<HashSet<(Uuid, String, String)>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(Uuid, String, String)> = sqlx::query_as(
        "INSERT INTO dedupe_keys (tenant_id, scope, key, event_id, execution_ids, created_at) \
         SELECT k.tenant_id, k.scope, k.key, k.event_id, k.execution_ids, now() \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[]) \
             AS k(tenant_id, scope, key, event_id, execution_ids) \
         ON CONFLICT DO NOTHING RETURNING tenant_id, scope, key",
    )
    .bind(wanted.iter().map(|(key, ..)| key.tenant_id).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(key, ..)| key.scope.as_ref()).collect::<Vec<&str>>())
    .bind(wanted.iter().map(|(key, ..)| key.key).collect::<Vec<&str>>())
    .bind(wanted.iter().map(|(_, event, _)| *event).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, _, id)| accepting::ids_json([*id])).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Frees the start keys of accepts that were not stored after all.
async fn give_back(conn: &mut PgConnection, keys: &[Key<'_>]) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM dedupe_keys d USING unnest($1::uuid[], $2::text[], $3::text[]) AS k(tenant_id, scope, key) \
         WHERE d.tenant_id = k.tenant_id AND d.scope = k.scope AND d.key = k.key",
    )
    .bind(keys.iter().map(|key| key.tenant_id).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.scope.as_ref()).collect::<Vec<&str>>())
    .bind(keys.iter().map(|key| key.key).collect::<Vec<&str>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Corrects which executions a delivery led to, where some were there before.
async fn remember_delivery(conn: &mut PgConnection, accept: &Accept, answer: &Accepted) -> Result<(), sqlx::Error> {
    let (Some(delivery), Accepted::Stored { executions, .. }) = (&accept.delivery, answer) else { return Ok(()) };
    sqlx::query("UPDATE dedupe_keys SET execution_ids = $4 WHERE tenant_id = $1 AND scope = $2 AND key = $3")
        .bind(accept.tenant_id.0)
        .bind(&delivery.scope)
        .bind(&delivery.key)
        .bind(accepting::ids_json(executions.iter().map(|execution| execution.id)))
        .execute(conn)
        .await?;
    Ok(())
}
