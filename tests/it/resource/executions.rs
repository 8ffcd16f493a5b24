//! The service over a table that the engine writes and that PostgreSQL partitions.

use std::sync::LazyLock;

use automate_core::ids::new_v7;
use automate_store::resource::{Expansion, ListQuery, Model, Selection};
use automate_tests::both_databases;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bed::{Bed, of, pairs};

#[expect(unreachable_pub, reason = "sea-orm's derives expect public models")]
mod table {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "executions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_id: Uuid,
        pub workflow: String,
        pub version: i32,
        pub status: String,
        pub input: Option<String>,
        pub attempt: i32,
        pub created_at: DateTimeUtc,
        pub finished_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "sea-orm's derives expect public models")]
mod steps {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "steps")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub execution_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        pub tenant_id: Uuid,
        pub seq: i32,
        pub status: String,
        pub output: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

static STEPS: LazyLock<Model> = LazyLock::new(|| {
    use steps::Column as C;
    Model::of::<steps::Entity>("steps", "step").json([C::Output]).detail([C::Output]).orderings([C::Seq]).build()
});

static EXECUTIONS: LazyLock<Model> = LazyLock::new(|| {
    use table::Column as C;
    Model::of::<table::Entity>("executions", "execution")
        .filters([C::Status, C::Workflow, C::FinishedAt])
        .orderings([C::CreatedAt, C::FinishedAt])
        .choices(C::Status, &["pending", "running", "waiting", "completed", "failed", "cancelled"])
        .json([C::Input])
        .detail([C::Input])
        .needs("execution.view_payload", [C::Input])
        .expansion(Expansion { name: "steps", model: &STEPS, on: ("id", "execution_id"), many: true, order: "seq" })
        .build()
});

async fn fill(bed: &Bed) -> Vec<Uuid> {
    let orm = bed.resources.db().orm();
    let backend = orm.get_database_backend();
    let tenant = bed.ours.principal.tenant.unwrap().0;
    let now = automate_core::clock::now();
    let mut ids = Vec::new();
    for n in 0..12_i32 {
        let id = new_v7();
        let status = ["completed", "failed", "running"][n as usize % 3];
        let sql = "INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, trigger, input, attempt, \
                   created_at, finished_at, correlation_id) VALUES ($1, $2, $1, $3, $1, 1, $4, '{}', $5, 1, $6, $7, 'c')";
        let finished = (n % 3 != 2).then_some(now);
        let values: Vec<sea_orm::Value> = vec![
            id.into(),
            tenant.into(),
            format!("w{}", n % 2).into(),
            status.into(),
            json!({ "n": n }).to_string().into(),
            now.into(),
            finished.into(),
        ];
        orm.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap();
        for seq in 0..3_i32 {
            let sql = "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun, idempotency_key, output) \
                       VALUES ($1, $2, $3, 's', $4, 'log.write', 'completed', 1, 0, 'k', '{\"a\": 1}')";
            let values: Vec<sea_orm::Value> =
                vec![id.into(), format!("p{}", 9 - seq).into(), tenant.into(), seq.into()];
            orm.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap();
        }
        ids.push(id);
    }
    ids
}

both_databases! {
    async fn executions_are_listed_filtered_and_shown_with_their_steps(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ids = fill(&bed).await;
        let list = async |parameters: &[(&str, &str)]| {
            let query = ListQuery::parse(&EXECUTIONS, &pairs(parameters)).unwrap();
            bed.resources.list(&EXECUTIONS, &bed.ours, &query).await.unwrap()
        };
        let page = list(&[("limit", "5"), ("count", "true")]).await;
        let newest: Vec<Value> = ids.iter().rev().take(5).map(|id| json!(id.to_string())).collect();
        assert_eq!((of(&page, "id"), page.count), (newest, Some(12)));
        assert!(!page.results[0].contains_key("input"));
        let failed = list(&[("status", "failed"), ("workflow", "w1"), ("count", "true")]).await;
        assert_eq!(failed.count, Some(2));
        assert_eq!(list(&[("status__in", "failed,running"), ("limit", "200")]).await.results.len(), 8);
        let page = list(&[("ordering", "-finished_at"), ("limit", "4")]).await;
        assert!(of(&page, "finished_at").iter().all(Value::is_null), "those that run come first");

        let shown = Selection { fields: Vec::new(), expand: vec!["steps"] };
        let row = bed.resources.get(&EXECUTIONS, &bed.ours, ids[7], &shown).await.unwrap();
        assert_eq!(row.fields["input"], json!({ "n": 7 }));
        let steps = row.fields["steps"].as_array().unwrap();
        assert_eq!(steps.iter().map(|step| step["path"].clone()).collect::<Vec<_>>(), ["p9", "p8", "p7"]);
        assert_eq!(steps[0]["output"], json!({ "a": 1 }));
        let page = list(&[("expand", "steps"), ("limit", "3")]).await;
        assert!(page.results.iter().all(|row| row["steps"].as_array().unwrap().len() == 3));
    }

    async fn rows_with_a_key_of_two_columns_are_paged_without_loss(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        fill(&bed).await;
        for parameters in [&[][..], &[("ordering", "seq"), ("fields", "path,execution_id,output")][..]] {
            let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), None);
            loop {
                let mut all = pairs(parameters);
                all.push(("limit".to_owned(), "5".to_owned()));
                all.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
                let query = ListQuery::parse(&STEPS, &all).unwrap();
                let page = bed.resources.list(&STEPS, &bed.ours, &query).await.unwrap();
                for row in &page.results {
                    assert!(seen.insert(format!("{} {}", row["execution_id"], row["path"])));
                    if parameters.len() > 1 {
                        assert_eq!(row["output"], json!({ "a": 1 }));
                    }
                }
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen.len(), 36);
        }
        let id = new_v7();
        let single = bed.resources.get(&STEPS, &bed.ours, id, &Selection::default()).await;
        assert!(single.is_err(), "a row that has no id of its own is read by a list");
    }
}
