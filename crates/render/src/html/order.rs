//! Timers that must be ordered, each that is not with what mends it.

use super::escaped;
use super::sources::Sources;
use crate::text;
use hopclock_core::inquest::order::Order;

/// Where the pair of this number stands in the page.
pub(super) fn place(n: usize) -> String {
    format!("order-{n}")
}

/// The section; nothing for no pair. Those out of order come first.
pub(super) fn write(out: &mut String, orders: &[Order], sources: &Sources) {
    if orders.is_empty() {
        return;
    }
    let title = escaped(text::ORDER);
    *out += &format!("<section aria-labelledby=\"order\">\n<h2 id=\"order\">{title}</h2>\n<ul>\n");
    let broken = orders.iter().enumerate().filter(|(_, o)| !o.holds);
    for (n, order) in broken.chain(orders.iter().enumerate().filter(|(_, o)| o.holds)) {
        one(out, order, &place(n), sources);
    }
    *out += "</ul>\n</section>\n";
}

fn one(out: &mut String, order: &Order, id: &str, sources: &Sources) {
    let (class, word) = if order.holds { ("good", "in order") } else { ("bad", "violated") };
    let ids = [order.shorter.evidence.as_slice(), &order.longer.evidence].concat();
    let links = match ids.is_empty() {
        true => String::new(),
        false => format!(" ({})", sources.links(&ids)),
    };
    let says = escaped(&text::order_words(order));
    *out += &format!("<li id=\"{id}\"><span class=\"{class}\">{word}</span>: {says}{links}");
    if !order.holds {
        *out += &format!("<p>{}.</p>", escaped(&text::capital(&order.why)));
    }
    if let Some(change) = &order.change {
        *out += &format!("<p><strong>To mend it</strong>: {}.</p>", escaped(change));
    }
    *out += "</li>\n";
}
