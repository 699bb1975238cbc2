//! Where each hop's box lies: layers and their order by a library (Sugiyama's method), folded into
//! bands until the picture has a page's proportions.
//!
//! An edge that passes a layer gets a point there, placed like a box, so that lines run between
//! boxes and not through them.

use rust_sugiyama::configure::Config;
use rust_sugiyama::from_vertices_and_edges;
use std::collections::BTreeMap;

/// Space between boxes of one layer, and beside a band.
const BESIDE: f64 = 28.0;
/// Space between layers that lie below each other: lines run and are numbered there.
const BELOW: f64 = 46.0;
/// The same where they lie beside each other: numbers are wider than high.
const ACROSS: f64 = 104.0;
/// Space between bands, in which lines climb to the next one.
const BETWEEN_BANDS: f64 = 56.0;

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Where a line's numbers stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    /// A point of the line.
    pub at: (f64, f64),
    /// They end there instead of beginning: the line's own end is near.
    pub before: bool,
}

/// A layout: as many places as boxes, as many lines as edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// Boxes, in the order given.
    pub boxes: Vec<Place>,
    /// Lines from box to box, in the order of the edges.
    pub lines: Vec<Vec<(f64, f64)>>,
    /// Where each line's numbers stand: a point of it.
    pub labels: Vec<Label>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
    /// Lines that go around the end of a band together.
    around: usize,
}

/// One node of the layered graph: a box, or the point where an edge passes a layer.
#[derive(Clone, Copy, Debug)]
struct Node {
    width: f64,
    height: f64,
    layer: usize,
    x: f64,
}

/// Lays boxes of these sizes out, with these edges, in a page of about `ratio` (width to height):
/// layers below each other or beside each other, as fills the page better.
pub(super) fn lay(sizes: &[(f64, f64)], edges: &[(usize, usize)], ratio: f64) -> Layout {
    let mut down = downwards(sizes, edges, (ratio, BELOW));
    // Numbers stand beside a line that falls, and would leave the page to its left.
    down.labels.iter_mut().for_each(|label| label.before = false);
    let turned: Vec<(f64, f64)> = sizes.iter().map(|&(width, height)| (height, width)).collect();
    let across = downwards(&turned, edges, (1.0 / ratio, ACROSS)).turned();
    if across.cost(ratio) < down.cost(ratio) { across } else { down }
}

impl Layout {
    /// How large a page of that ratio around it is, and more for each line beyond the first that
    /// has to go around a band: those are hard to follow.
    fn cost(&self, ratio: f64) -> f64 {
        let page = self.width.max(self.height * ratio) * self.height.max(self.width / ratio);
        page * self.around.max(1) as f64
    }

    /// The same with rows for columns.
    fn turned(mut self) -> Self {
        for place in &mut self.boxes {
            let Place { x, y, width, height } = *place;
            *place = Place { x: y, y: x, width: height, height: width };
        }
        let labels = self.labels.iter_mut().map(|label| &mut label.at);
        for point in self.lines.iter_mut().flatten().chain(labels) {
            *point = (point.1, point.0);
        }
        (self.width, self.height) = (self.height, self.width);
        self
    }
}

fn downwards(sizes: &[(f64, f64)], edges: &[(usize, usize)], (ratio, gap): (f64, f64)) -> Layout {
    let mut nodes = layered(sizes, edges);
    let chains = pass(&mut nodes, edges);
    order(&mut nodes, &chains);
    let layers = 1 + nodes.iter().map(|node| node.layer).max().unwrap_or(0);
    let tried = (1..=layers.div_ceil(2).max(1)).map(|bands| {
        let laid = folded(&nodes, (layers, gap), bands);
        let (width, height) = extent(&laid, gap);
        let around = crowd(&laid, &chains);
        (laid, Layout { width, height, around, ..Layout::default() })
    });
    let best = tried.min_by(|a, b| a.1.cost(ratio).total_cmp(&b.1.cost(ratio)));
    let Some((laid, layout)) = best else { return Layout::default() };
    let ports: Vec<Ports> = chains.iter().map(|chain| ports(&laid, &chains, chain)).collect();
    let drawn = chains.iter().zip(&ports).enumerate();
    let lines: Vec<Vec<(f64, f64)>> =
        drawn.map(|(i, (chain, ports))| line(&laid, chain, (i, ports, gap))).collect();
    let labels = lines.iter().zip(&ports).map(|(line, ports)| label(line, ports)).collect();
    let boxes = laid.iter().take(sizes.len()).map(|l| l.place).collect();
    Layout { boxes, lines, labels, ..layout }
}

/// How many lines go around the end of a band together, at most.
fn crowd(laid: &[Laid], chains: &[Vec<usize>]) -> usize {
    let mut around: BTreeMap<usize, usize> = BTreeMap::new();
    for pair in chains.iter().flat_map(|chain| chain.windows(2)) {
        if let [a, b] = *pair
            && let (Some(a), Some(b)) = (laid.get(a), laid.get(b))
            && a.band != b.band
        {
            *around.entry(a.band.min(b.band)).or_default() += 1;
        }
    }
    around.into_values().max().unwrap_or(0)
}

/// Where an edge leaves its first box and meets its last: which of so many, from the left.
#[derive(Clone, Copy, Debug)]
struct Ports {
    leaves: (usize, usize),
    arrives: (usize, usize),
}

fn ports(laid: &[Laid], chains: &[Vec<usize>], chain: &[usize]) -> Ports {
    let middle = |i: Option<&usize>| {
        let place = i.and_then(|i| laid.get(*i)).map(|l| l.place);
        place.map_or(0.0, |p| p.x + p.width / 2.0)
    };
    let rank = |same: &dyn Fn(&[usize]) -> bool, towards: &dyn Fn(&[usize]) -> f64| {
        let all: Vec<&Vec<usize>> = chains.iter().filter(|other| same(other)).collect();
        let own = towards(chain);
        let before = |other: &&&Vec<usize>| {
            towards(other).total_cmp(&own).then_with(|| other.as_slice().cmp(chain)).is_lt()
        };
        (all.iter().filter(before).count(), all.len())
    };
    Ports {
        leaves: rank(&|other| other.first() == chain.first(), &|other| middle(other.get(1))),
        arrives: rank(&|other| other.last() == chain.last(), &|other| {
            middle(other.len().checked_sub(2).and_then(|i| other.get(i)))
        }),
    }
}

/// A point of the line near the end that it does not share with others, else on its way.
fn label(line: &[(f64, f64)], ports: &Ports) -> Label {
    let across = |a: (f64, f64), b: (f64, f64)| (b.0 - a.0).hypot(b.1 - a.1);
    // Clear of the box, however flat the line: only how far it falls counts near an end.
    let down = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1).abs();
    let near_end = ports.leaves.1 == 1 || ports.arrives.1 == 1;
    let length = |a, b| if near_end { down(a, b) } else { across(a, b) };
    let whole: f64 =
        line.windows(2).map(|w| if let [a, b] = *w { length(a, b) } else { 0.0 }).sum();
    let (wanted, before) = match (ports.leaves.1, ports.arrives.1) {
        (1, _) => (16.0, false),
        (_, 1) => (whole - 16.0, true),
        _ => (0.4 * whole, false),
    };
    let mut gone = 0.0;
    let mut at = line.last().copied().unwrap_or_default();
    for pair in line.windows(2) {
        let [a, b] = *pair else { continue };
        let step = length(a, b);
        if gone + step >= wanted && step > 0.0 {
            let t = ((wanted - gone) / step).clamp(0.0, 1.0);
            at = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
            break;
        }
        gone += step;
    }
    Label { at, before }
}

fn extent(laid: &[Laid], gap: f64) -> (f64, f64) {
    let right = laid.iter().map(|l| l.place.x + l.place.width).fold(1.0, f64::max);
    let below = laid.iter().map(|l| l.place.y + l.place.height).fold(1.0, f64::max);
    (right + BESIDE, below + gap.min(BELOW))
}

/// Each box's layer: the longest way to it, edges that would close a circle left out.
fn layered(sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> Vec<Node> {
    let mut layers = vec![0usize; sizes.len()];
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for &(from, to) in edges {
        if !reaches(&kept, to, from) {
            kept.push((from, to));
        }
    }
    // The longest way has at most as many edges as there are boxes.
    for _ in 0..sizes.len() {
        for &(from, to) in &kept {
            let least = layers.get(from).map_or(0, |layer| layer + 1);
            if let Some(layer) = layers.get_mut(to) {
                *layer = (*layer).max(least);
            }
        }
    }
    let node = |(&(width, height), layer)| Node { width, height, layer, x: 0.0 };
    sizes.iter().zip(layers).map(node).collect()
}

fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(&here) = seen.get(at) {
        if here == to {
            return true;
        }
        for &(a, b) in edges {
            if a == here && !seen.contains(&b) {
                seen.push(b);
            }
        }
        at += 1;
    }
    false
}

/// Adds a node wherever an edge passes a layer; gives each edge's nodes in order.
fn pass(nodes: &mut Vec<Node>, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut chains = Vec::new();
    for &(from, to) in edges {
        let layer = |i: usize, nodes: &[Node]| nodes.get(i).map_or(0, |node| node.layer);
        let (first, last) = (layer(from, nodes), layer(to, nodes));
        let mut chain = vec![from];
        let between: Vec<usize> = if first < last {
            (first + 1..last).collect()
        } else {
            // Against the current: it passes the layers between upwards.
            (last + 1..first).rev().collect()
        };
        for layer in between {
            chain.push(nodes.len());
            nodes.push(Node { width: 10.0, height: 0.0, layer, x: 0.0 });
        }
        chain.push(to);
        chains.push(chain);
    }
    chains
}

/// Places in each layer, by the library.
fn order(nodes: &mut [Node], chains: &[Vec<usize>]) {
    let vertices: Vec<(u32, (f64, f64))> =
        (0..).zip(nodes.iter().map(|n| (n.width, 10.0))).collect();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    for chain in chains {
        for pair in chain.windows(2) {
            let [a, b] = *pair else { continue };
            let down = nodes.get(a).map(|n| n.layer) < nodes.get(b).map(|n| n.layer);
            let (a, b) = if down { (a, b) } else { (b, a) };
            if let (Ok(a), Ok(b)) = (u32::try_from(a), u32::try_from(b))
                && !edges.contains(&(a, b))
            {
                edges.push((a, b));
            }
        }
    }
    let config = Config { vertex_spacing: BESIDE, dummy_vertices: false, ..Config::default() };
    // Groups that nothing joins come one by one: they stand side by side.
    let mut left = 0.0;
    for (group, width, _) in from_vertices_and_edges(&vertices, &edges, &config) {
        let least = group.iter().map(|(_, (x, _))| *x).fold(f64::INFINITY, f64::min);
        for (i, (x, _)) in group {
            if let Some(node) = nodes.get_mut(i) {
                node.x = left + x - least;
            }
        }
        left += width + BESIDE;
    }
}

/// A node's place and the band it lies in.
#[derive(Clone, Copy, Debug)]
struct Laid {
    place: Place,
    band: usize,
    /// Lower edge of its layer.
    layer_floor: f64,
    /// Lower edge of the band.
    floor: f64,
    /// Right edge of the band.
    right: f64,
}

/// The layers, cut into bands that stand side by side.
fn folded(nodes: &[Node], (layers, gap): (usize, f64), bands: usize) -> Vec<Laid> {
    let each = layers.div_ceil(bands.max(1)).max(1);
    let height = |layer: usize| {
        nodes.iter().filter(|n| n.layer == layer).map(|n| n.height).fold(0.0, f64::max)
    };
    let mut laid: Vec<Option<Laid>> = vec![None; nodes.len()];
    let mut left = BESIDE;
    for band in 0..layers.div_ceil(each) {
        let mut y = gap;
        let mut right = left;
        let mut mine: Vec<usize> = Vec::new();
        let layers_here = band * each..((band + 1) * each).min(layers);
        let rows: Vec<Vec<(usize, f64)>> = layers_here.clone().map(|l| row(nodes, l)).collect();
        let least = rows.iter().flatten().map(|(_, x)| *x).fold(f64::INFINITY, f64::min);
        for (layer, row) in layers_here.zip(rows) {
            let high = height(layer);
            for (i, x) in row {
                let (Some(node), Some(slot)) = (nodes.get(i), laid.get_mut(i)) else { continue };
                let place =
                    Place { x: left + x - least, y, width: node.width, height: node.height };
                right = right.max(place.x + place.width);
                *slot = Some(Laid { place, band, layer_floor: y + high, floor: 0.0, right: 0.0 });
                mine.push(i);
            }
            y += high + gap;
        }
        for i in mine {
            if let Some(Some(laid)) = laid.get_mut(i) {
                (laid.floor, laid.right) = (y - gap, right);
            }
        }
        left = right + BETWEEN_BANDS;
    }
    laid.into_iter().flatten().collect()
}

/// A layer's nodes from left to right, moved apart where they would touch; the first stands where
/// the library has it among all of its layer's.
fn row(nodes: &[Node], layer: usize) -> Vec<(usize, f64)> {
    let least = nodes.iter().map(|n| n.x - n.width / 2.0).fold(f64::INFINITY, f64::min);
    let mut row: Vec<(usize, f64, f64)> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.layer == layer)
        .map(|(i, node)| (i, node.x - node.width / 2.0 - least, node.width))
        .collect();
    row.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let mut end = f64::NEG_INFINITY;
    let mut placed = Vec::new();
    for (i, x, width) in row {
        let x = x.max(end);
        end = x + width + BESIDE;
        placed.push((i, x));
    }
    placed
}

/// An edge's line: down from box to box, and around the end of a band to the next.
fn line(
    laid: &[Laid],
    chain: &[usize],
    (number, ports, gap): (usize, &Ports, f64),
) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    // Lines that share a way around a band run side by side.
    let aside = 5.0 * (number % 6) as f64;
    let last = chain.len().saturating_sub(2);
    for (step, pair) in chain.windows(2).enumerate() {
        let [a, b] = *pair else { continue };
        let (Some(a), Some(b)) = (laid.get(a), laid.get(b)) else { continue };
        let from = if step == 0 { ports.leaves } else { (0, 1) };
        let to = if step == last { ports.arrives } else { (0, 1) };
        let leave = (along(a.place, from), a.place.y + a.place.height);
        let arrive = (along(b.place, to), b.place.y);
        // Past its taller neighbours first.
        points.extend([leave, (leave.0, a.layer_floor)]);
        if a.band != b.band {
            let (low, high) = (a.floor + 14.0 + aside, gap - 14.0 - aside);
            let gutter = a.right.min(b.right) + 12.0 + aside;
            points.extend([(leave.0, low), (gutter, low), (gutter, high), (arrive.0, high)]);
        }
        points.push(arrive);
    }
    points.dedup();
    points
}

/// A place on a box's side: which of so many.
fn along(place: Place, (which, of): (usize, usize)) -> f64 {
    place.x + place.width * (which + 1) as f64 / (of + 1) as f64
}

/// Boxes by layer, for tests.
#[cfg(test)]
fn layers_of(sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> BTreeMap<usize, Vec<usize>> {
    let mut by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, node) in layered(sizes, edges).iter().enumerate() {
        by.entry(node.layer).or_default().push(i);
    }
    by
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlap(a: Place, b: Place) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    fn chain(n: usize) -> Vec<(usize, usize)> {
        (0..n - 1).map(|i| (i, i + 1)).collect()
    }

    fn assert_apart(layout: &Layout) {
        for (i, a) in layout.boxes.iter().enumerate() {
            assert!(a.x >= 0.0 && a.x + a.width <= layout.width, "{i}: {a:?}");
            assert!(a.y >= 0.0 && a.y + a.height <= layout.height, "{i}: {a:?}");
            for (j, b) in layout.boxes.iter().enumerate().skip(i + 1) {
                assert!(!overlap(*a, *b), "{i} {a:?} and {j} {b:?}");
            }
        }
    }

    #[test]
    fn a_chain_of_thirty_is_folded_to_the_page() {
        let sizes = vec![(260.0, 90.0); 30];
        for ratio in [0.707, 1.414] {
            let layout = lay(&sizes, &chain(30), ratio);
            assert_apart(&layout);
            let got = layout.width / layout.height;
            assert!((got / ratio).ln().abs() < 0.45, "{got} for {ratio}");
        }
    }

    #[test]
    fn a_fan_of_thirty_lies_apart_and_no_line_crosses_a_box() {
        let mut edges: Vec<(usize, usize)> = (1..15).map(|i| (0, i)).collect();
        edges.extend((1..15).map(|i| (i, 15)));
        edges.extend((16..30).map(|i| (15, i)));
        // One that passes two layers.
        edges.push((0, 20));
        let sizes = vec![(180.0, 70.0); 30];
        let layout = lay(&sizes, &edges, 1.414);
        assert_apart(&layout);
        let (line, &(from, to)) = layout.lines.last().zip(edges.last()).unwrap();
        for (i, place) in layout.boxes.iter().enumerate().filter(|(i, _)| *i != from && *i != to) {
            for pair in line.windows(2) {
                let [a, b] = *pair else { continue };
                for t in 0..=20 {
                    let t = f64::from(t) / 20.0;
                    let (x, y) = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
                    let inside = x > place.x && x < place.x + place.width && y > place.y;
                    assert!(!(inside && y < place.y + place.height), "box {i} at {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_circle_is_drawn_too() {
        let sizes = vec![(100.0, 40.0); 3];
        let edges = [(0, 1), (1, 2), (2, 0)];
        let layout = lay(&sizes, &edges, 1.0);
        assert_apart(&layout);
        assert_eq!(layout.lines.len(), 3);
        assert_eq!(layers_of(&sizes, &edges).len(), 3);
    }

    #[test]
    fn what_nothing_joins_stands_side_by_side() {
        let layout = lay(&[(100.0, 40.0); 4], &[(0, 1), (2, 3)], 1.0);
        assert_apart(&layout);
        assert_eq!(lay(&[], &[], 1.0).boxes, []);
        assert_apart(&lay(&[(100.0, 40.0)], &[], 1.0));
    }
}
