//! Where the nodes of a graph stand: in layers by the longest path that leads to them, within a
//! layer near what they are joined to. Edges that pass layers get a bend in each, so that they do
//! not run through nodes; the number of bends is bounded. All work is linear in nodes, bends and
//! edges, but for sorting.

use super::Graph;
use crate::limits;

/// The width of a node, in pixels.
pub const NODE_WIDTH: f64 = 200.0;
/// The height of a node, in pixels.
pub const NODE_HEIGHT: f64 = 52.0;
const GAP_X: f64 = 32.0;
const GAP_Y: f64 = 44.0;
const BEND_WIDTH: f64 = 16.0;
const MARGIN: f64 = 24.0;
/// How often the layers are gone through, down and up, to bring neighbours together.
const SWEEPS: usize = 4;

/// A place in the picture, in pixels from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// Where everything of a graph stands.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The width of the picture.
    pub width: f64,
    /// The height of the picture.
    pub height: f64,
    /// The layer of each node, from 0.
    pub layers: Vec<usize>,
    /// The middle of each node.
    pub nodes: Vec<Point>,
    /// The points that each edge passes: where it leaves, its bends, where it arrives.
    pub edges: Vec<Vec<Point>>,
}

/// Something that takes room in a layer: a node, or the bend of an edge.
struct Slot {
    layer: usize,
    width: f64,
    x: f64,
    up: Vec<usize>,
    down: Vec<usize>,
}

impl Layout {
    pub(super) fn of(graph: &Graph) -> Self {
        let layers = layers_of(graph);
        let mut slots: Vec<Slot> = layers
            .iter()
            .map(|&layer| Slot { layer, width: NODE_WIDTH, x: 0.0, up: Vec::new(), down: Vec::new() })
            .collect();
        let paths = paths_of(graph, &layers, &mut slots);
        let mut rows = rows_of(&slots, &paths);
        order_rows(&mut rows, &mut slots);
        place(&rows, &mut slots);

        let left = slots.iter().map(|s| s.x - s.width / 2.0).fold(f64::INFINITY, f64::min);
        let shift = if left.is_finite() { MARGIN - left } else { MARGIN };
        let right = slots.iter().map(|s| s.x + s.width / 2.0 + shift).fold(NODE_WIDTH, f64::max);
        let middle = |slot: &Slot| Point { x: slot.x + shift, y: MARGIN + NODE_HEIGHT / 2.0 + row_top(slot.layer) };
        let edges = paths
            .iter()
            .map(|path| {
                let last = path.len().saturating_sub(1);
                let mut points = Vec::with_capacity(path.len());
                for (i, &slot) in path.iter().enumerate() {
                    let Point { x, y } = middle(&slots[slot]);
                    let offset = match i {
                        0 => NODE_HEIGHT / 2.0,
                        i if i == last => -NODE_HEIGHT / 2.0,
                        _ => 0.0,
                    };
                    points.push(Point { x, y: y + offset });
                }
                points
            })
            .collect();
        Self {
            width: right + MARGIN,
            height: 2.0 * MARGIN + row_top(rows.len()).max(NODE_HEIGHT + GAP_Y) - GAP_Y,
            nodes: slots.iter().take(graph.nodes.len()).map(middle).collect(),
            layers,
            edges,
        }
    }
}

fn row_top(layer: usize) -> f64 {
    // A layer number is far below 2^32, which a float keeps exactly.
    f64::from(u32::try_from(layer).unwrap_or(u32::MAX)) * (NODE_HEIGHT + GAP_Y)
}

/// Each node one layer below the lowest that it waits for. The branch of failure begins below
/// everything else.
fn layers_of(graph: &Graph) -> Vec<usize> {
    let count = graph.nodes.len();
    let mut waits_for = vec![Vec::new(); count];
    for edge in &graph.edges {
        waits_for[edge.to].push(edge.from);
    }
    let mut layers = vec![0; count];
    for node in super::order::sorted(&waits_for) {
        layers[node] = waits_for[node].iter().map(|&w| layers[w] + 1).max().unwrap_or(0);
    }
    let failure = graph.nodes.iter().position(|n| n.kind == super::NodeKind::Failure);
    if let Some(mark) = failure {
        let below = layers[..mark].iter().max().map_or(0, |&layer| layer + 1);
        for layer in &mut layers[mark..] {
            *layer += below;
        }
    }
    layers
}

/// The slots that each edge passes, with bends made for those that pass layers.
fn paths_of(graph: &Graph, layers: &[usize], slots: &mut Vec<Slot>) -> Vec<Vec<usize>> {
    let mut paths = Vec::with_capacity(graph.edges.len());
    for edge in &graph.edges {
        let mut path = vec![edge.from];
        let between = layers[edge.from] + 1..layers[edge.to];
        if slots.len() + between.len() <= limits::GRAPH_BENDS {
            for layer in between {
                path.push(slots.len());
                slots.push(Slot { layer, width: BEND_WIDTH, x: 0.0, up: Vec::new(), down: Vec::new() });
            }
        }
        path.push(edge.to);
        for pair in path.windows(2) {
            slots[pair[0]].down.push(pair[1]);
            slots[pair[1]].up.push(pair[0]);
        }
        paths.push(path);
    }
    paths
}

fn rows_of(slots: &[Slot], paths: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); slots.iter().map(|s| s.layer + 1).max().unwrap_or(0)];
    // Along the edges, so that what is joined begins near each other.
    let mut seen = vec![false; slots.len()];
    for slot in paths.iter().flatten().copied().chain(0..slots.len()) {
        if !std::mem::replace(&mut seen[slot], true) {
            rows[slots[slot].layer].push(slot);
        }
    }
    rows
}

/// Sorts each row by where its neighbours stand, going down and up in turn.
fn order_rows(rows: &mut [Vec<usize>], slots: &mut [Slot]) {
    for sweep in 0..=SWEEPS {
        for row in rows.iter() {
            spread(row, slots);
        }
        if sweep == SWEEPS {
            break;
        }
        let down = sweep % 2 == 0;
        let count = rows.len();
        for i in 0..count {
            let row = &mut rows[if down { i } else { count - 1 - i }];
            let mut keyed: Vec<(f64, usize)> = row
                .iter()
                .map(|&slot| {
                    (mean_of(slots, if down { &slots[slot].up } else { &slots[slot].down }, slots[slot].x), slot)
                })
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            row.clear();
            row.extend(keyed.into_iter().map(|(_, slot)| slot));
            spread(row, slots);
        }
    }
}

fn mean_of(slots: &[Slot], neighbours: &[usize], otherwise: f64) -> f64 {
    if neighbours.is_empty() {
        return otherwise;
    }
    let count = f64::from(u32::try_from(neighbours.len()).unwrap_or(u32::MAX));
    neighbours.iter().map(|&n| slots[n].x).sum::<f64>() / count
}

fn distance(a: &Slot, b: &Slot) -> f64 {
    (a.width + b.width) / 2.0 + GAP_X
}

/// Sets a row out around the middle.
fn spread(row: &[usize], slots: &mut [Slot]) {
    let mut x = 0.0;
    let mut last: Option<usize> = None;
    for &slot in row {
        if let Some(last) = last {
            x += distance(&slots[last], &slots[slot]);
        }
        slots[slot].x = x;
        last = Some(slot);
    }
    let half = x / 2.0;
    for &slot in row {
        slots[slot].x -= half;
    }
}

/// Moves each row's slots towards their neighbours as far as the row's order lets them.
fn place(rows: &[Vec<usize>], slots: &mut [Slot]) {
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for i in 0..rows.len() {
            let row = &rows[if down { i } else { rows.len() - 1 - i }];
            let wished: Vec<f64> = row
                .iter()
                .map(|&slot| mean_of(slots, if down { &slots[slot].up } else { &slots[slot].down }, slots[slot].x))
                .collect();
            settle(row, &wished, slots);
        }
    }
}

/// Gives each slot of a row its wish, moved so that none overlap: clusters of slots that push each
/// other share the difference.
fn settle(row: &[usize], wished: &[f64], slots: &mut [Slot]) {
    // A cluster: the first slot's place, the sum of the wishes for that place, and how many.
    let mut clusters: Vec<(f64, f64, usize)> = Vec::new();
    let mut offsets = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for (i, &slot) in row.iter().enumerate() {
        if i > 0 {
            offset += distance(&slots[row[i - 1]], &slots[slot]);
        }
        offsets.push(offset);
        let mut cluster = (wished[i] - offset, 1_usize);
        while let Some(&(place, sum, count)) = clusters.last() {
            let mean = cluster.0 / to_float(cluster.1);
            if place < mean {
                break;
            }
            clusters.pop();
            cluster = (cluster.0 + sum, cluster.1 + count);
        }
        clusters.push((cluster.0 / to_float(cluster.1), cluster.0, cluster.1));
    }
    let mut i = 0;
    for (place, _, count) in clusters {
        for _ in 0..count {
            slots[row[i]].x = place + offsets[i];
            i += 1;
        }
    }
}

fn to_float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
