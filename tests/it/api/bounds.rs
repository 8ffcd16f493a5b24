//! How much one may take out, and put in.

use automate_api::v1::V1Settings;
use automate_api::v1::base::{Limit, Throttle, ThrottleBy};
use automate_core::limits;
use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

both_databases! {
    async fn r17_a_stolen_token_gets_so_many_rows_in_a_time_and_it_shows(db: TestDatabase) {
        let owner = Site::with(&db, Site::strict(10_000)).await;
        let most = usize::try_from(limits::LIST_LIMIT_MAX).unwrap();
        for n in 0..most * 2 + 10 {
            owner.book(&format!("Book {n}"), 1).await;
        }
        let limit = Limit::per_minute(1).burst(2);
        let throttles = vec![Throttle::new("api", ThrottleBy::Principal, limit)];
        let site = Site::again(&db, V1Settings { throttles, ..V1Settings::default() }).await;
        // No request asks for more than a page, whatever it says.
        for target in ["limit=201", "limit=1000000000", "limit=-1", "offset=1000000000000", "limit=200&limit=200"] {
            let answer = owner.get(&format!("/api/v1/books?{target}")).await;
            assert_eq!(answer.status, 400, "{target}: {answer:?}");
        }
        let (mut rows, mut target) = (0, "/api/v1/books?limit=200".to_owned());
        let refused = loop {
            let answer = site.ask("viewer", "GET", &target).send().await;
            if answer.status != 200 {
                break answer;
            }
            let page = answer.json();
            rows += page["results"].as_array().unwrap().len();
            target = format!("/api/v1/books?limit=200&cursor={}", page["next"].as_str().unwrap());
        };
        assert_eq!(rows, 2 * most, "two pages, and no more before the time has passed");
        assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMITED"));
        assert!(refused.headers.contains_key("retry-after"));
        // A search and the rows of an export count as the pages of a list do.
        for target in ["/api/v1/books?search=Book", "/api/v1/books?fields=title"] {
            assert_eq!(site.ask("viewer", "GET", target).send().await.status, 429, "{target}");
        }
    }

    async fn r19_no_request_brings_more_values_or_bytes_than_the_drivers_take(db: TestDatabase) {
        let site = Site::with(&db, Site::strict(10_000)).await;
        let id = site.book("Ours", 1).await;
        // 65 536 values, where PostgreSQL takes 65 535 parameters: the address is too long long before.
        let all = vec![id.as_str(); 65_536].join(",");
        let refused = site.get(&format!("/api/v1/books?id__in={all}")).await;
        assert!(matches!(refused.status, 414 | 431), "{refused:?}");
        let long = vec![id.as_str(); 250].join(",");
        assert_eq!(site.get(&format!("/api/v1/books?id__in={long}")).await.status, 414);
        let pages = vec!["1"; limits::LIST_IN + 1].join(",");
        let answer = site.get(&format!("/api/v1/books?pages__in={pages}")).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let fitting = vec!["1"; limits::LIST_IN].join(",");
        assert_eq!(site.get(&format!("/api/v1/books?pages__in={fitting}")).await.status, 200);
        // A body of 4 GiB is refused by its length, before a byte of it was read.
        let huge = "POST /api/v1/books HTTP/1.1\r\nhost: x\r\nauthorization: Bearer aut_admin\r\n\
                    content-type: application/json\r\ncontent-length: 4294967297\r\n\r\n";
        assert_eq!(site.raw(huge.as_bytes()).await.status, 413);
        // A value that fits into a body and not into its field.
        let long = "x".repeat(limits::FIELD_CHARS + 1);
        let answer = site.post("/api/v1/books", &json!({ "title": long, "author": "U", "pages": 1 })).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(site.books().await, 1);
    }
}

/// The largest value that can reach a driver is a body, and lengths there are 31 bits at least; of
/// what one statement takes, ids are the most, with a few parameters beside them.
#[test]
fn r19_what_may_come_in_is_far_below_what_the_drivers_can_take() {
    const { assert!(limits::BODY_BYTES_MAX < i32::MAX as usize / 8) };
    const { assert!(limits::STEP_OUTPUT_BYTES < i32::MAX as usize / 8) };
    const { assert!(limits::RESPONSE_BYTES < i32::MAX as usize / 8) };
    // SQLite takes 32 766 parameters, PostgreSQL 65 535.
    const { assert!((limits::LIST_IN * limits::LIST_PARAMETERS) < 32_766) };
    const { assert!(limits::IDS_PER_REQUEST < 32_766 / 32) };
    const { assert!(limits::BULK_IDS < 32_766 / 8) };
}
