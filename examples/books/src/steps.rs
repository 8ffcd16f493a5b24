//! The steps of docs/admin.md, each compiled and looked at as the server does before it starts.
#![expect(unreachable_pub, reason = "each step is shown as it stands in a crate of its own")]

pub(crate) mod entity;
mod five_rows;
pub(crate) mod four_inline;
mod one_list;
mod six_own;
mod three_form;
mod two_find;

use automate::admin::AdminSite;

/// The Rust blocks of the page.
fn blocks() -> Vec<String> {
    let page = include_str!("../../../docs/admin.md");
    let blocks = page.split("```rust\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

#[test]
fn the_steps_of_the_page_are_the_files_that_are_compiled() {
    let files = [
        include_str!("steps/one_list.rs"),
        include_str!("steps/two_find.rs"),
        include_str!("steps/three_form.rs"),
        include_str!("steps/four_inline.rs"),
        include_str!("steps/five_rows.rs"),
        include_str!("steps/six_own.rs"),
    ];
    assert_eq!(blocks(), files);
}

#[test]
fn each_step_can_be_served() {
    let authors = || AdminSite::empty().with(two_find::AuthorAdmin);
    let sites = [
        AdminSite::empty().with(one_list::BookAdmin),
        authors().with(two_find::BookAdmin),
        authors().with(three_form::BookAdmin),
        authors().with(four_inline::BookAdmin),
        authors().with(five_rows::BookAdmin),
        authors().with(six_own::BookAdmin),
    ];
    for site in sites {
        site.check().unwrap_or_else(|errors| panic!("{errors}"));
    }
}
