//! The navigation.

use crate::http::{Cx, NavGroup, NavItem};
use crate::spec::Verb;

/// A page of the operations part: its name, its place, its icon, the permissions that it takes.
struct Place(&'static str, &'static str, &'static str, &'static [&'static str]);

/// The overview, below which everything else is.
const HOME: &str = "/admin/";
/// The page of dead letters, whose number stands beside it.
const DEAD: &str = "/admin/dead/";

const OPERATE: &[Place] = &[
    Place("Overview", HOME, "overview", &[]),
    Place("Executions", "/admin/executions/", "executions", &["executions.view_execution"]),
    Place("Dead letters", DEAD, "dead", &["outbox.view_item"]),
    Place("Webhook inbox", "/admin/webhooks/", "webhooks", &["executions.view_webhookrequest"]),
    Place("Outbox", "/admin/outbox/", "outbox", &["outbox.view_item"]),
    Place("Queues", "/admin/queues/", "queues", &["outbox.view_item"]),
    Place("Workers", "/admin/workers/", "workers", &["outbox.view_item"]),
    // Schedules and approvals come here, with their engines.
];

const BUILD: &[Place] = &[
    Place("Workflows", "/admin/workflows/", "workflows", &["workflows.view_workflow"]),
    Place("Connectors", "/admin/connectors/", "connectors", &["connectors.view_connector"]),
    Place("Connections", "/admin/connections/", "connections", &["connectors.view_connection"]),
    Place("Providers", "/admin/providers/", "providers", &["connectors.view_provider"]),
    Place("Secrets", "/admin/secrets/", "secrets", &["secrets.view_secret", "secret.reveal_metadata"]),
    // Extensions and the playground of templates come here.
];

const SETTINGS: &[Place] = &[
    Place("Policies", "/admin/policies/", "tenants", &["tenants.view_policy"]),
    Place("Audit log", "/admin/audit/", "audit", &["audit.view_entry"]),
];

/// The groups that have a page for whoever asks.
pub(crate) fn groups(cx: &Cx) -> Vec<NavGroup> {
    let mut groups = vec![
        NavGroup { title: "Operate", items: places(cx, OPERATE) },
        NavGroup { title: "Build", items: places(cx, BUILD) },
        NavGroup { title: "Data", items: models(cx, "Data") },
        NavGroup { title: "People", items: models(cx, "People") },
        NavGroup { title: "Settings", items: [models(cx, "Settings"), places(cx, SETTINGS)].concat() },
    ];
    groups.retain(|group| !group.items.is_empty());
    // The pages of a model may lie under those of the operations: of two places, the nearer is where one is.
    let nearest = groups.iter().flat_map(|group| &group.items).filter(|item| item.current).map(|item| item.url.len());
    let nearest = nearest.max();
    for item in groups.iter_mut().flat_map(|group| &mut group.items) {
        item.current &= Some(item.url.len()) == nearest;
    }
    groups
}

/// All pages of the operations part that somebody may open: for the palette.
pub(crate) fn pages(cx: &Cx) -> Vec<NavItem> {
    [OPERATE, BUILD, SETTINGS].into_iter().flat_map(|places| self::places(cx, places)).collect()
}

/// The page of the operations part that an address is of, or below.
fn area(url: &str) -> Option<&'static Place> {
    let places = [OPERATE, BUILD, SETTINGS].into_iter().flatten();
    places
        .filter(|Place(_, place, ..)| *place != HOME && url.starts_with(place))
        .max_by_key(|Place(_, place, ..)| place.len())
}

/// Whether somebody may open the page of the operations part that an address is of, or below.
pub(crate) fn may_open(cx: &Cx, url: &str) -> bool {
    area(url).is_none_or(|Place(.., takes)| takes.iter().all(|permission| cx.can(permission)))
}

/// Whether a navigation has what an address is of, or below; what is of no place is open to all.
pub(crate) fn opens(groups: &[NavGroup], url: &str) -> bool {
    // Lists of models stand below pages of the operations part, and have permissions of their own.
    let has = |area: &Place| {
        let mut items = groups.iter().flat_map(|group| &group.items);
        items.any(|item| item.url.len() >= area.1.len() && url.starts_with(&item.url))
    };
    area(url).is_none_or(has)
}

fn places(cx: &Cx, places: &[Place]) -> Vec<NavItem> {
    let allowed = places.iter().filter(|Place(.., takes)| takes.iter().all(|permission| cx.can(permission)));
    allowed
        .map(|Place(label, url, icon, _)| NavItem {
            label: (*label).to_owned(),
            url: (*url).to_owned(),
            icon,
            current: is_current(cx.path(), url),
            count: if *url == DEAD { dead_letters(cx) } else { String::new() },
        })
        .collect()
}

/// The dead letters of the tenant, as far as they are counted; nothing where there are none.
fn dead_letters(cx: &Cx) -> String {
    match cx.principal().tenant.and_then(|tenant| cx.state().dead_letters().known(tenant)) {
        None | Some(0) => String::new(),
        Some(count) => crate::operations::counted(count),
    }
}

fn models(cx: &Cx, group: &str) -> Vec<NavItem> {
    let specs = cx.state().site().admins().iter().map(|admin| admin.spec());
    let shown = specs.filter(|spec| spec.group == group && spec.allows(cx, Verb::View, None));
    shown
        .map(|spec| {
            let url = spec.url();
            NavItem {
                label: spec.plural.clone(),
                current: is_current(cx.path(), &url),
                url,
                icon: "model",
                count: String::new(),
            }
        })
        .collect()
}

fn is_current(path: &str, url: &str) -> bool {
    if url == HOME { path == url } else { path.starts_with(url) }
}
