//! The numbers beside the choices of filters.

use automate::admin::filter::CustomChoice;
use automate::admin::{AdminSpec, Cx, ListFilter, ShowFacets};
use automate::store::resource::{Comparison, ListQuery};

use super::*;

const SIZES: &[CustomChoice] =
    &[("short", "short", &[("pages__lt", "300")]), ("long", "long", &[("pages__gte", "300")])];

/// Books of fewer than 500 pages, with counts as it says.
struct Light(ShowFacets);

impl BaseModelAdmin for Light {
    type Entity = book::Entity;
    type Layers = ();

    fn model(&self) -> &'static Model {
        &BOOKS
    }

    fn configure(&self, spec: &mut AdminSpec<book::Entity>) {
        spec.list_filter([ListFilter::custom("size", SIZES)]).show_facets(self.0);
    }

    fn get_queryset(&self, _: &Cx, query: ListQuery) -> ListQuery {
        query.filter("pages", Comparison::Less, vec![json!(500)])
    }
}

async fn library(facets: ShowFacets) -> (Library, String) {
    let app = App::new().prepare(book::make_table).viewset(Books).admin(Light(facets));
    let library = Library::of(app).await;
    for (title, pages) in [("Dune", 612), ("Momo", 269), ("Emma", 474), ("Ulysses", 730), ("Heidi", 300)] {
        let body = json!({ "title": title, "author": "A", "pages": pages }).to_string();
        assert_eq!(library.ask("POST", "/api/v1/books", "", &body).await.0, 201, "{title}");
    }
    let cookie = format!("cookie: {}\r\n", library.cookie().await);
    (library, cookie)
}

/// A page whose numbers are all there: on a machine that does other things, some take too long.
async fn whole(library: &Library, address: &str, cookie: &str) -> String {
    for _ in 0..100 {
        let (_, page) = library.send("GET", address, cookie, "").await;
        if !page.contains(">…<") {
            return page;
        }
    }
    panic!("{address} never counts all")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_of_the_rows_that_the_admin_lets_through() {
    let (library, cookie) = library(ShowFacets::Always).await;
    let page = whole(&library, "/admin/books/book/", &cookie).await;
    assert!(page.contains("short <span class=\"count\">1</span>"), "{page}");
    assert!(page.contains("long <span class=\"count\">2</span>") && !page.contains("Ulysses"), "{page}");
    assert!(!page.contains("Show counts") && !page.contains("Hide counts"), "nobody is asked");
    let page = whole(&library, "/admin/books/book/?size=long&q=emma", &cookie).await;
    assert!(page.contains("short <span class=\"count\">0</span>"), "{page}");
    assert!(page.contains("long <span class=\"count\">1</span>"), "{page}");
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_that_never_counts_is_not_asked_to() {
    let (library, cookie) = library(ShowFacets::Never).await;
    let (_, page) = library.send("GET", "/admin/books/book/", &cookie, "").await;
    assert!(page.contains("Emma") && !page.contains("Show counts"), "{page}");
    let (head, _) = library.send("GET", "/admin/books/book/?facets=1", &cookie, "").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    library.close().await;
}
