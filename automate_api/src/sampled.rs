//! A fact that is asked for at most once in a while, however many ask to see it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use automate_core::limits;
use tokio::sync::watch;

/// A value with its age. Whoever finds it too old has it asked for in a task of its own: a reader
/// that gives up drops no database work.
pub(crate) struct Sampled<T> {
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    last: Option<(Instant, Arc<T>)>,
    asking: Option<watch::Receiver<Option<Arc<T>>>>,
}

impl<T> Default for Sampled<T> {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State { last: None, asking: None })) }
    }
}

impl<T: Send + Sync + 'static> Sampled<T> {
    /// The value, at most [`limits::PROBE_AGE`] old; `None` where it has not come within
    /// [`limits::PROBE_TIMEOUT`]. A question that is still unanswered is not asked again.
    pub(crate) async fn get<F>(&self, ask: impl FnOnce() -> F) -> Option<Arc<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answer = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, value)) = &state.last
                && at.elapsed() < limits::PROBE_AGE
            {
                return Some(Arc::clone(value));
            }
            // A sender that is gone without an answer belongs to a question that panicked.
            match state.asking.as_ref().filter(|asking| asking.has_changed().is_ok()) {
                Some(asking) => asking.clone(),
                None => {
                    let (sender, receiver) = watch::channel(None);
                    state.asking = Some(receiver.clone());
                    let shared = Arc::clone(&self.state);
                    let question = ask();
                    tokio::spawn(async move {
                        let value = Arc::new(question.await);
                        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        state.last = Some((Instant::now(), Arc::clone(&value)));
                        state.asking = None;
                        drop(state);
                        sender.send_replace(Some(value));
                    });
                    receiver
                }
            }
        };
        let answered = tokio::time::timeout(limits::PROBE_TIMEOUT, answer.wait_for(Option::is_some)).await;
        answered.ok()?.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn many_readers_ask_once() {
        let asked = Arc::new(AtomicUsize::new(0));
        let sampled = Arc::new(Sampled::default());
        let readers: Vec<_> = (0..50)
            .map(|_| {
                let (asked, sampled) = (Arc::clone(&asked), Arc::clone(&sampled));
                tokio::spawn(async move {
                    let question = move || async move {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        asked.fetch_add(1, Ordering::SeqCst)
                    };
                    sampled.get(question).await.map(|value| *value)
                })
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), Some(0));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_question_without_answer_is_given_up_and_not_repeated() {
        let sampled = Sampled::<()>::default();
        assert!(sampled.get(std::future::pending).await.is_none());
        assert!(sampled.get(|| async { panic!("asked again") }).await.is_none());
    }

    #[tokio::test]
    async fn a_question_that_panicked_is_asked_again() {
        let sampled = Sampled::<u8>::default();
        assert!(sampled.get(|| async { panic!("no") }).await.is_none());
        assert_eq!(sampled.get(|| async { 1 }).await.as_deref(), Some(&1));
    }
}
