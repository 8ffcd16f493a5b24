#!/usr/bin/env bash
# What one more entity with its admin adds to an incremental build of examples/books: the build in which
# it is new, and each build after it. Puts the example back as it was.
#
#   scripts/entity-cost.sh [COPIES]     how many there are besides (default: 10)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

copies=${1:-10}
source=examples/books/src
kept=$(mktemp)
cp "$source/main.rs" "$kept"
restore() {
    cp "$kept" "$source/main.rs"
    rm -f "$kept" "$source/more.rs" "$source/row.rs"
}
trap restore EXIT
# The entity alone: what makes tables for tests is no part of it, an application has migrations.
sed '/^\/\/\/ Makes the table/,$d; /^use automate::store/d; s/^use sea_orm::{ConnectionTrait, Schema};$//' "$source/book.rs" >"$source/row.rs"

# The best of three, in milliseconds of the clock.
measure() {
    cargo build --quiet --locked -p automate_books_example
    local best=
    for _ in 1 2 3; do
        touch "$source/main.rs"
        local begun=$(date +%s%N)
        cargo build --quiet --locked -p automate_books_example
        local took=$((($(date +%s%N) - begun) / 1000000))
        [ -z "$best" ] || [ "$took" -lt "$best" ] && best=$took
    done
    echo "$best"
}

entity() {
    local n=$1
    cat <<RUST
mod entity_$n {
    use std::sync::LazyLock;

    use automate::admin::layers::{BulkActions, Export, ExportMixin, BulkActionsMixin};
    use automate::admin::{Action, AdminSpec, ListFilter};
    use automate::prelude::*;

    #[path = "$PWD/$source/row.rs"]
    mod row;

    static THINGS: LazyLock<Model> = LazyLock::new(|| {
        use row::Column::*;
        let model = Model::of::<row::Entity>("things-$n", "thing_$n").writable([Title, Author, Pages]);
        model.search([Title, Author]).filters([Author, Pages]).orderings([Title, Pages]).hidden([TenantId]).build()
    });

    #[derive(Default)]
    struct ThingAdmin;
    impl BaseModelAdmin for ThingAdmin {
        type Entity = row::Entity;
        type Layers = (Export, BulkActions);
        fn model(&self) -> &'static Model {
            &THINGS
        }
        fn configure(&self, spec: &mut AdminSpec<row::Entity>) {
            use row::Column::*;
            spec.list_display([Title, Author, Pages, CreatedAt])
                .list_editable([Pages])
                .list_filter([ListFilter::of(Author), ListFilter::range(Pages)]);
        }
    }
    impl ExportMixin for ThingAdmin {}
    impl BulkActionsMixin for ThingAdmin {
        fn get_actions(&self) -> Vec<Action> {
            Vec::new()
        }
    }
    automate::admin::register_admin!(ThingAdmin);
}
RUST
}

without=$(measure)
{
    for n in $(seq "$copies"); do entity "$n"; done
} >"$source/more.rs"
sed -i 's/^mod book;$/mod book;\nmod more;/' "$source/main.rs"
with=$(measure)
new=
for n in 1 2 3; do
    entity $((copies + n)) >>"$source/more.rs"
    begun=$(date +%s%N)
    cargo build --quiet --locked -p automate_books_example
    took=$((($(date +%s%N) - begun) / 1000000))
    [ -z "$new" ] || [ "$took" -lt "$new" ] && new=$took
done
echo "incremental build: $without ms, with $copies entities more $with ms: $(((with - without) / copies)) ms an entity"
echo "the build in which an entity is new: $new ms, $((new - with)) ms more"
