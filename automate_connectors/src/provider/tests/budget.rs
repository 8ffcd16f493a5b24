use automate_core::error::ErrorCode;
use chrono::NaiveDate;

use super::*;

/// A budget of tokens in memory, as one in a database is.
struct Tokens {
    limit: u64,
    used: Mutex<u64>,
}

#[async_trait]
impl Budget for Tokens {
    async fn reserve(&self, tenant: TenantId, estimate: Spend) -> std::result::Result<Reservation, BudgetError> {
        let mut used = self.used.lock().unwrap();
        let wanted = estimate.input_tokens + estimate.output_tokens;
        if *used + wanted > self.limit {
            let (metric, period) = ("llm_tokens".to_owned(), "today".to_owned());
            return Err(BudgetError::Exceeded { metric, period, limit: self.limit, used: *used, wanted });
        }
        *used += wanted;
        Ok(Reservation { tenant, day: NaiveDate::from_ymd_opt(2026, 1, 1), charged: estimate })
    }

    async fn settle(&self, reservation: Reservation, actual: Spend) -> std::result::Result<(), BudgetError> {
        let mut used = self.used.lock().unwrap();
        *used -= reservation.charged.input_tokens + reservation.charged.output_tokens;
        *used += actual.input_tokens + actual.output_tokens;
        Ok(())
    }
}

struct Broken;

#[async_trait]
impl Budget for Broken {
    async fn reserve(&self, _: TenantId, _: Spend) -> std::result::Result<Reservation, BudgetError> {
        Err(BudgetError::Unavailable { reason: "the database is away".to_owned() })
    }

    async fn settle(&self, _: Reservation, _: Spend) -> std::result::Result<(), BudgetError> {
        Ok(())
    }
}

async fn bed(limit: u64) -> (Bed, Arc<Tokens>) {
    let Bed { server, registry } =
        Bed::of("openai", json!({ "prices": { "*": { "input": "3", "output": "15" } } })).await;
    let budget = Arc::new(Tokens { limit, used: Mutex::default() });
    (Bed { server, registry: registry.with_budget(budget.clone()) }, budget)
}

fn answer() -> Behaviour {
    Behaviour::json(&json!({
        "choices": [{ "message": { "content": "Well." }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 8, "completion_tokens": 2 }
    }))
}

fn asked() -> ChatRequest {
    ChatRequest { max_tokens: Some(100), ..ask("How are you?") }
}

#[tokio::test]
async fn a_call_is_charged_before_it_is_made_and_corrected_afterwards() {
    let (bed, budget) = bed(200).await;
    bed.server.always(answer());
    let response = bed.chat(asked()).await.unwrap();
    assert_eq!(response.usage.cost_micros, Some(8 * 3 + 2 * 15));
    assert_eq!(*budget.used.lock().unwrap(), 10);
    bed.server.always(Behaviour::Silence);
    let (outcome, ()) = tokio::join!(
        async {
            let mut call = call();
            call.deadline = clock::now() + Duration::from_millis(400);
            bed.registry.chat(&call, None, asked(), None).await
        },
        async {
            bed.server.wait_for_requests(2).await;
            assert!(*budget.used.lock().unwrap() > 110, "charged while it runs");
        }
    );
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Timeout);
    assert!(*budget.used.lock().unwrap() > 110, "nobody knows what a call took that did not answer");
}

#[tokio::test]
async fn a_call_beyond_the_budget_is_refused_and_not_made() {
    let (bed, budget) = bed(50).await;
    let error = bed.chat(asked()).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::BudgetExceeded, false));
    assert_eq!(error.code().as_str(), "BUDGET_EXCEEDED");
    assert_eq!(error.details().unwrap()["metric"], "llm_tokens");
    assert!(bed.server.requests().is_empty());
    assert_eq!(*budget.used.lock().unwrap(), 0);
}

#[tokio::test]
async fn each_repair_is_charged_and_the_budget_ends_them() {
    let (bed, _) = bed(700).await;
    let wrong = json!({
        "choices": [{ "message": { "content": "no" } }], "usage": { "prompt_tokens": 300, "completion_tokens": 100 }
    });
    bed.server.always(Behaviour::json(&wrong));
    let wanted = JsonWanted { schema: json!({ "type": "object" }), repairs: 5 };
    let error = bed.registry.json(&call(), None, asked(), &wanted, None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BudgetExceeded, "{error}");
    assert_eq!(bed.server.requests().len(), 2);
}

#[tokio::test]
async fn what_was_refused_before_the_model_worked_costs_nothing() {
    let (bed, budget) = bed(1_000).await;
    for status in [400, 401, 403, 404, 429, 500, 503] {
        bed.server.always(Behaviour::status(status));
        assert!(bed.chat(asked()).await.is_err());
        assert_eq!(*budget.used.lock().unwrap(), 0, "{status}");
    }
    bed.server.always(Behaviour::CutBody);
    assert_eq!(bed.chat(asked()).await.unwrap_err().code(), ErrorCode::TransientNetwork);
    assert!(*budget.used.lock().unwrap() > 100, "the model had begun to answer");

    let Bed { server, registry } = bed;
    let before = *budget.used.lock().unwrap();
    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(registry.chat(&call(), None, asked(), None).await.unwrap_err().code(), ErrorCode::TransientNetwork);
    assert_eq!(*budget.used.lock().unwrap(), before, "nobody was there");
}

#[tokio::test]
async fn a_cancelled_call_stays_charged() {
    let (bed, budget) = bed(1_000).await;
    bed.server.always(Behaviour::Silence);
    let call = call();
    let (outcome, ()) = tokio::join!(bed.registry.chat(&call, None, asked(), None), async {
        bed.server.wait_for_requests(1).await;
        call.cancel.cancel();
    });
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::Cancelled);
    assert!(*budget.used.lock().unwrap() > 100);
    bed.server.wait_for_aborted(1).await;
}

#[tokio::test]
async fn a_budget_that_cannot_be_asked_lets_nothing_through_for_now() {
    let Bed { server, registry } = Bed::of("openai", json!({})).await;
    let bed = Bed { server, registry: registry.with_budget(Arc::new(Broken)) };
    let error = bed.chat(asked()).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Internal, true));
    assert!(bed.server.requests().is_empty());
}

#[tokio::test]
async fn numbers_that_cannot_be_are_not_believed() {
    let (bed, budget) = bed(1_000).await;
    let odd = json!({
        "choices": [{ "message": { "content": "a" } }],
        "usage": { "prompt_tokens": u64::MAX, "completion_tokens": u64::MAX,
            "prompt_tokens_details": { "cached_tokens": u64::MAX } }
    });
    bed.server.always(Behaviour::json(&odd));
    let usage = bed.chat(asked()).await.unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (100_000_000, 100_000_000));
    assert_eq!(*budget.used.lock().unwrap(), 200_000_000);
}
