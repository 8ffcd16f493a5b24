use std::sync::atomic::{AtomicUsize, Ordering};

use automate_core::ids::TenantId;
use tokio::sync::Semaphore;

use super::*;

fn nothing() -> Accept {
    Accept { tenant_id: TenantId::DEFAULT, event: None, request: None, delivery: None, starts: Vec::new() }
}

struct Recorder {
    gate: Arc<Semaphore>,
    flushes: Arc<AtomicUsize>,
    ops: Arc<AtomicUsize>,
    panics: bool,
}

#[async_trait]
impl Flush for Recorder {
    async fn flush(&mut self, ops: Vec<Op>) {
        self.gate.acquire().await.unwrap().forget();
        assert!(!std::mem::take(&mut self.panics), "as asked");
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.ops.fetch_add(ops.len(), Ordering::SeqCst);
        for op in ops {
            op.answer(Ok(Answer::Accepted(Accepted::StaleTriggers)));
        }
    }

    fn reset(&mut self) {}
}

struct Fixture {
    committer: Arc<Committer>,
    gate: Arc<Semaphore>,
    flushes: Arc<AtomicUsize>,
    ops: Arc<AtomicUsize>,
}

fn committer(panics: bool) -> Fixture {
    let gate = Arc::new(Semaphore::new(0));
    let (flushes, ops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let recorder = Recorder { gate: Arc::clone(&gate), flushes: Arc::clone(&flushes), ops: Arc::clone(&ops), panics };
    Fixture { committer: Arc::new(Committer::start(vec![recorder])), gate, flushes, ops }
}

#[tokio::test]
async fn what_gathers_during_a_flush_is_committed_together() {
    let Fixture { committer, gate, flushes, ops } = committer(false);
    let first = tokio::spawn({
        let committer = Arc::clone(&committer);
        async move { committer.accept(nothing()).await }
    });
    tokio::task::yield_now().await;
    let rest: Vec<_> = (0..100)
        .map(|_| {
            let committer = Arc::clone(&committer);
            tokio::spawn(async move { committer.accept(nothing()).await })
        })
        .collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(10);
    first.await.unwrap().unwrap();
    for task in rest {
        task.await.unwrap().unwrap();
    }
    assert_eq!(ops.load(Ordering::SeqCst), 101);
    assert!(flushes.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_full_queue_answers_busy() {
    let Fixture { committer, gate, .. } = committer(false);
    // One is with the flusher, then the queue behind it is filled to the brim.
    let mut waiting = Vec::new();
    for _ in 0..=COMMIT_QUEUE {
        let committer = Arc::clone(&committer);
        waiting.push(tokio::spawn(async move { committer.accept(nothing()).await }));
        if waiting.len() == 1 {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }
    for _ in 0..COMMIT_QUEUE {
        tokio::task::yield_now().await;
    }
    assert!(matches!(committer.accept(nothing()).await, Err(StoreError::Busy(_))));
    gate.add_permits(1_000);
}

#[tokio::test]
async fn an_operation_goes_on_when_its_caller_is_dropped() {
    let Fixture { committer, gate, ops, .. } = committer(false);
    let call = tokio::time::timeout(Duration::from_millis(20), committer.accept(nothing())).await;
    assert!(call.is_err());
    gate.add_permits(10);
    committer.close().await;
    assert_eq!(ops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panicking_flush_does_not_end_the_committer() {
    let Fixture { committer, gate, .. } = committer(true);
    gate.add_permits(10);
    assert!(matches!(committer.accept(nothing()).await, Err(StoreError::Internal(_))));
    assert_eq!(committer.accept(nothing()).await.unwrap(), Accepted::StaleTriggers);
}

#[tokio::test]
async fn a_closed_committer_refuses() {
    let Fixture { committer, .. } = committer(false);
    committer.close().await;
    assert!(matches!(committer.accept(nothing()).await, Err(StoreError::Unavailable(_))));
}
